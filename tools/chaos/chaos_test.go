package main

import (
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	for text, want := range map[string]string{
		"sundog-chaos.db.0a1b2c3d.1":             "sundog-chaos.db.*.1",
		"172.19.128.7 and 192.168.0.9":           "NET.128.7 and NET.0.9",
		"aliases db, 0123456789ab":               "aliases db, ID",
		"sundog-chaos_persistent_data 127.0.0.1": "sundog-chaos_persistent_data 127.0.0.1",
		strings.Repeat("0123456789abcdef", 4):    "ID",
		"level 2, port 27586":                    "level 2, port 27586",
		"made 2026-11-26T15:16:21.5Z":            "made TIME",
		`{"Memory":67108864,"Nano":12345678}`:    `{"Memory":67108864,"Nano":12345678}`,
	} {
		if got := normalise(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestNormaliseCluster(t *testing.T) {
	for text, want := range map[string]string{
		"artifact-06a72bb5858b72e349f9.0a1b2c3d.0000": "artifact-*.*.0000",
		"db-0a1b2c3d at 10.244.128.7, \"0a1b2c3d\"":   "db-* at ADDRESS, \"*\"",
	} {
		if got := normaliseCluster(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestFlattenLeavesEmptyValuesOut(t *testing.T) {
	facts := map[string]string{}
	flatten("host", map[string]any{"Dns": []any{}, "DnsOptions": nil, "Memory": float64(0), "Init": true, "Binds": []any{"a", "b"}}, facts)
	if lines := difference(map[string]string{"host Init": "true", "host Binds 0": "a", "host Binds 1": "b"}, facts); len(lines) > 0 {
		t.Error(lines)
	}
}

func TestDifferenceNamesEverything(t *testing.T) {
	lines := difference(map[string]string{"same": "1", "other": "1", "gone": "1"}, map[string]string{"same": "1", "other": "2", "new": "1"})
	if got, want := strings.Join(lines, "; "), "gone: missing; new: there should be none (1); other: got 2, want 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInstructionsRunOnceButForTheOneThatWasCutOff(t *testing.T) {
	want := []string{"init", "level-1", "job"}
	for _, c := range []struct {
		lines        string
		disturbances int
		good         bool
	}{
		{"init level-1 job", 0, true},
		{"init level-1 level-1 job", 1, true},
		{"init level-1 level-1 job", 0, false},
		{"init init level-1 level-1 job", 1, false},
		{"init init level-1 level-1 job", 2, true},
		{"init level-1 init job", 2, false},
		{"init job", 1, false},
		{"", 1, false},
	} {
		if err := checkLog(want, strings.Fields(c.lines), c.disturbances); (err == nil) != c.good {
			t.Errorf("%q after %d disturbances: %v", c.lines, c.disturbances, err)
		}
	}
}

func TestRoundsAreTheSameAgain(t *testing.T) {
	of := (&dockerWorld{}).kinds()
	kinds, points, faces := map[kind]bool{}, map[string]bool{}, map[int]bool{}
	for number := range 200 {
		one, two := plan(7, number, 3, of), plan(7, number, 3, of)
		faces[one.face] = true
		for phase, d := range one.disturbances {
			if *d != *two.disturbances[phase] {
				t.Fatalf("round %d differs from itself: %s, %s", number, d, two.disturbances[phase])
			}
			if d.fraction < 0 || d.fraction >= 1 {
				t.Errorf("round %d: fraction %f", number, d.fraction)
			}
			if aimed := d.aim(measure{calls: 10}, nil); d.byCall && (aimed.call < 1 || aimed.call > 10) {
				t.Errorf("round %d aims at call %d of 10", number, aimed.call)
			}
			kinds[d.kind], points[d.point] = true, true
		}
	}
	if len(kinds) != 7 || len(points) != 3 || len(faces) != 3 {
		t.Errorf("200 rounds have only the kinds %v, the points %v and the faces %v", kinds, points, faces)
	}
}

func TestEveryCallIsStruckBeforeAndAfter(t *testing.T) {
	rounds := everyCall(phaseUpdate, 3)
	if len(rounds) != 6 {
		t.Fatalf("%d rounds, want 6", len(rounds))
	}
	for i, r := range rounds {
		d := r.disturbances[phaseUpdate]
		if r.number != i || r.disturbances[phaseCreate] != nil || r.disturbances[phaseDestroy] != nil || d.aim(measure{}, nil).call != 1+i/2 {
			t.Errorf("round %d is %+v with %s", i, r, d)
		}
	}
}

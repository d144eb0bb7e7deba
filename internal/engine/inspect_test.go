package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func TestInspectTellsOfEveryRun(t *testing.T) {
	h := newHarness(t, nil)
	h.apply(planOf(upload(t, "config", "x"), add("db")))
	other := Request{Enclave: testEnclave, Run: "fork/staging", Owner: "somebody", Plan: planOf(add("queue"), add("cache"))}
	if _, err := h.engine.Apply(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	h.backend.Vanish(testEnclave, "cache")
	check := func(owner string) {
		t.Helper()
		found, err := h.engine.Inspect(t.Context(), testEnclave)
		if err != nil || found.Enclave.Name != testEnclave || len(found.Runs) != 2 {
			t.Fatalf("%+v: %v", found, err)
		}
		fork, shop := found.Runs[0], found.Runs[1]
		if shop.Run != testRun || !shop.Complete || len(shop.Services) != 1 || shop.Artifacts["config"] == "" {
			t.Errorf("%+v", shop)
		}
		if fork.Run != "fork/staging" || fork.Owner != owner || fork.Services["queue"].Status != "running" {
			t.Errorf("%+v", fork)
		}
		if missing := fork.Services["cache"]; owner != "" && missing.State != StateMissing {
			t.Errorf("what is gone must show: %+v", missing)
		}
	}
	check("somebody")
	// Containers alone tell of a run, too.
	if err := h.backend.RemoveRecord(t.Context(), testEnclave, recordName("fork/staging")); err != nil {
		t.Fatal(err)
	}
	check("")
	if _, err := h.engine.Inspect(t.Context(), "other"); !errors.Is(err, enclave.ErrNotFound) {
		t.Error(err)
	}
}

func TestRecordIsDescribedWithoutValues(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	p := planOf(add("api"), exec("api#1", "api", "tell", "hunter2"))
	p.Output = value("api#1", "output")
	h.apply(p)
	described, err := h.engine.DescribeRecord(t.Context(), testEnclave, testRun)
	if err != nil || strings.Contains(string(described), "hunter2") || !strings.Contains(string(described), `"api#1"`) || !strings.Contains(string(described), "not shown") {
		t.Errorf("%s %v", described, err)
	}
	if _, err := h.engine.DescribeRecord(t.Context(), testEnclave, "other"); !errors.Is(err, enclave.ErrNotFound) {
		t.Error(err)
	}
}

func TestInspectTellsWhatIsOutdated(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	result, _, _ := h.apply(planOf(upload(t, "config", "x"), add("db", mount("/conf", "config"))))
	outdated := func() []string {
		t.Helper()
		found, err := h.engine.Inspect(t.Context(), testEnclave)
		if err != nil {
			t.Fatal(err)
		}
		return found.Runs[0].Outdated
	}
	same(t, "outdated after an apply", outdated(), nil)
	if err := h.backend.RemoveArtifacts(t.Context(), testEnclave, []string{result.Artifacts["config"]}); err != nil {
		t.Fatal(err)
	}
	same(t, "outdated when an artifact is lost", outdated(), []string{`files artifact "config" is missing`})
}

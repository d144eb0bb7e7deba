package engine

import (
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

func TestDecideService(t *testing.T) {
	t.Parallel()
	wish := serviceWish{digest: "d1", readiness: "r1", fate: fateRunning, parts: map[string]string{"image": "1", "environment variable LEVEL": "2"}}
	container := func(state enclave.State, change ...func(*enclave.Service)) *enclave.Service {
		service := &enclave.Service{Name: "api", ID: "c1", Digest: "d1", State: state}
		for _, one := range change {
			one(service)
		}
		return service
	}
	known := func(change ...func(*serviceRecord)) *serviceRecord {
		record := &serviceRecord{Digest: "d1", ContainerID: "c1", Readiness: "r1", Fate: fateRunning, Parts: map[string]string{"image": "1", "environment variable LEVEL": "2"}}
		for _, one := range change {
			one(record)
		}
		return record
	}
	exited := func(code int) *enclave.Service {
		return container(enclave.StateExited, func(s *enclave.Service) { s.ExitCode = code })
	}
	for name, c := range map[string]struct {
		wish     func(*serviceWish)
		have     *enclave.Service
		known    *serviceRecord
		halfMade bool
		action   Action
		reason   string
	}{
		"new":                   {action: ActionCreate, reason: "it does not exist yet"},
		"removed from outside":  {known: known(), action: ActionCreate, reason: "it is missing: something else removed it"},
		"evicted":               {have: container(enclave.StateStarting), known: known(), action: ActionStart, reason: "it is being started again by the backend"},
		"cut off at its start":  {have: container(enclave.StateStarting), known: known(func(r *serviceRecord) { r.Readiness = "" }), action: ActionStart, reason: "it was still being started when an apply was cut off"},
		"started, not recorded": {have: container(enclave.StateStarting), action: ActionStart, reason: "it was still being started when an apply was cut off"},
		"half removed":          {have: container(enclave.StateCreated, func(s *enclave.Service) { s.Digest = "" }), known: known(), action: ActionReplace, reason: "its making or its removal was cut off"},
		"unchanged":             {have: container(enclave.StateRunning), known: known(), action: ActionKeep, reason: "nothing changed"},
		"forced":                {wish: func(w *serviceWish) { w.force = "force_update is set" }, have: container(enclave.StateRunning), known: known(), action: ActionReplace, reason: "force_update is set"},
		"made but not recorded": {have: container(enclave.StateRunning), action: ActionUpdate, reason: "it is not known yet whether it is ready"},
		"other readiness":       {wish: func(w *serviceWish) { w.readiness = "r2" }, have: container(enclave.StateRunning), known: known(), action: ActionUpdate, reason: "what it must fulfil to be ready changed"},
		"made ahead, not begun": {have: container(enclave.StateCreated), action: ActionStart, reason: "it was made but not started"},
		"crashed after ready":   {have: exited(137), known: known(), action: ActionStart, reason: "it is exited (137)"},
		"crashed before ready":  {have: exited(1), known: known(func(r *serviceRecord) { r.Readiness = "" }), action: ActionReplace, reason: "it was never ready and is exited (1)"},
		"another container":     {have: exited(1), known: known(func(r *serviceRecord) { r.ContainerID = "c0" }), action: ActionReplace, reason: "it was never ready and is exited (1)"},
		"failed start":          {have: container(enclave.StateRunning), known: known(func(r *serviceRecord) { r.Readiness, r.Failed = "", true }), action: ActionReplace, reason: "its last start failed"},
		"stopped from outside":  {have: container(enclave.StateStopped), known: known(), action: ActionStart, reason: "it is stopped"},
		"stopped by the plan":   {wish: func(w *serviceWish) { w.fate = fateStopped }, have: container(enclave.StateStopped), known: known(func(r *serviceRecord) { r.Fate = fateStopped }), action: ActionKeep, reason: "it is stopped, as a later instruction asks"},
		"not to be stopped now": {have: container(enclave.StateStopped), known: known(func(r *serviceRecord) { r.Fate = fateStopped }), action: ActionStart, reason: "it is stopped"},
		"done":                  {have: exited(0), known: known(func(r *serviceRecord) { r.Completed = true }), action: ActionKeep, reason: "its process came to its end with success"},
		"ended by itself":       {have: exited(0), known: known(), action: ActionStart, reason: "it is exited (0)"},
		"half-made replacement": {have: container(enclave.StateRunning), known: known(), halfMade: true, action: ActionReplace, reason: "an interrupted replacement was found beside it"},
		"removed by the plan":   {wish: func(w *serviceWish) { w.fate = fateRemoved }, known: known(func(r *serviceRecord) { r.Fate = fateRemoved }), action: ActionKeep, reason: "it did its part before, and a later instruction removes it"},
		"removed and changed":   {wish: func(w *serviceWish) { w.fate, w.digest = fateRemoved, "d2" }, known: known(func(r *serviceRecord) { r.Fate = fateRemoved }), action: ActionCreate, reason: "it does not exist yet"},
		"not removed any more":  {known: known(func(r *serviceRecord) { r.Fate = fateRemoved }), action: ActionCreate, reason: "it does not exist yet"},
		"changed environment": {wish: func(w *serviceWish) {
			w.digest, w.parts = "d2", map[string]string{"image": "1", "environment variable LEVEL": "3"}
		}, have: container(enclave.StateRunning), known: known(), action: ActionReplace, reason: "environment variable LEVEL changed"},
		"added and removed part": {wish: func(w *serviceWish) { w.digest, w.parts = "d2", map[string]string{"image": "1", "port http": "3"} }, have: container(enclave.StateRunning), known: known(), action: ActionReplace, reason: "port http was added, environment variable LEVEL was removed"},
		"changed, not recorded":  {wish: func(w *serviceWish) { w.digest = "d2" }, have: container(enclave.StateRunning), action: ActionReplace, reason: "its configuration changed"},
	} {
		wanted := wish
		if c.wish != nil {
			c.wish(&wanted)
		}
		if got := decideService(wanted, c.have, c.known, c.halfMade); got != (verdict{c.action, c.reason}) {
			t.Errorf("%s: got %s because %s, want %s because %s", name, got.action, got.reason, c.action, c.reason)
		}
	}
}

func TestDecideStep(t *testing.T) {
	t.Parallel()
	wish := stepWish{digest: "d1", parts: map[string]string{partArguments: "a", partService: "s", partEarlier: "e"}}
	known := func(digest, arguments, service, earlier string) *stepRecord {
		return &stepRecord{Digest: digest, Parts: map[string]string{partArguments: arguments, partService: service, partEarlier: earlier}, Artifacts: map[string]string{"dump": "x"}}
	}
	for name, c := range map[string]struct {
		known  *stepRecord
		stored bool
		action Action
		reason string
	}{
		"never ran":        {action: ActionRun, reason: "it has not run yet"},
		"unchanged":        {known: known("d1", "a", "s", "e"), stored: true, action: ActionKeep, reason: "nothing changed"},
		"artifact gone":    {known: known("d1", "a", "s", "e"), action: ActionRun, reason: `files artifact "dump" is missing`},
		"other arguments":  {known: known("d0", "b", "s", "e"), stored: true, action: ActionRun, reason: "its arguments changed"},
		"replaced service": {known: known("d0", "b", "t", "e"), stored: true, action: ActionRun, reason: `service "db" was replaced`},
		"earlier step":     {known: known("d0", "a", "s", "f"), stored: true, action: ActionRun, reason: `an earlier instruction on service "db" changed`},
	} {
		got := decideStep(wish, "db", c.known, []string{"dump"}, func(string) bool { return c.stored })
		if got != (verdict{c.action, c.reason}) {
			t.Errorf("%s: got %s because %s, want %s because %s", name, got.action, got.reason, c.action, c.reason)
		}
	}
}

func TestDecideArtifact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recorded string
		stored   bool
		action   Action
	}{
		"new":       {"", false, ActionCreate},
		"unchanged": {"d1", true, ActionKeep},
		"changed":   {"d0", false, ActionUpdate},
		"lost":      {"d1", false, ActionCreate},
	} {
		if got := decideArtifact("d1", c.recorded, c.stored); got.action != c.action {
			t.Errorf("%s: got %s because %s, want %s", name, got.action, got.reason, c.action)
		}
	}
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value     any
		assertion string
		target    any
		want      string // "yes", "no" or part of an error
	}{
		{int64(1), "==", int64(1), "yes"},
		{int64(1), "==", 1.0, "of type int"},
		{int64(1), "!=", int64(2), "yes"},
		{"a", "<", "b", "yes"},
		{int64(3), ">=", int64(4), "no"},
		{2.5, ">", 2.0, "yes"},
		{true, ">", false, "yes"},
		{[]any{int64(1), "a"}, "<", []any{int64(1), "b"}, "yes"},
		{[]any{int64(1)}, "==", []any{int64(1)}, "yes"},
		{map[string]any{"a": int64(1)}, "==", map[string]any{"a": int64(1)}, "yes"},
		{map[string]any{}, "<", map[string]any{}, "no order"},
		{nil, "==", nil, "yes"},
		{int64(2), "IN", []any{int64(1), int64(2)}, "yes"},
		{[]any{int64(2)}, "IN", []any{[]any{int64(2)}}, "yes"},
		{"x", "NOT_IN", []any{"y"}, "yes"},
		{"x", "IN", "xyz", "needs a list"},
		{"200", "==", int64(200), `"200" is of type string and 200 of type int`},
		{"a", "~", "a", "no assertion"},
	} {
		got := "no"
		ok, err := holdsTrue(c.value, c.assertion, c.target)
		if err != nil {
			mention(t, err, c.want)
			continue
		}
		if ok {
			got = "yes"
		}
		if got != c.want {
			t.Errorf("%v %s %v: got %s, want %s", c.value, c.assertion, c.target, got, c.want)
		}
	}
}

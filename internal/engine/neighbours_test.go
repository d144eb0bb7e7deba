package engine

import (
	"errors"
	"slices"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// TestServicesOfOtherRuns works with a service and an artifact that another run has made.
func TestServicesOfOtherRuns(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	base := func(content string, changes ...func(*plan.ServiceSpec)) Request {
		request := h.request(planOf(upload(t, "conf", content), add("db", changes...)))
		request.Run = "base"
		return request
	}
	apply := func(request Request) *Result {
		t.Helper()
		result, err := h.engine.Apply(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	operations := planOf(
		&plan.GetServices{Services: []string{"db"}}, exec("db#1", "db", "grant"),
		add("api", env("DB", value("db", "ip_address")), mount("/conf", "conf")), add("web", env("DB", value("db", "hostname"))),
	)
	h.fails(operations, `"db"`, "apply the run that adds it first")
	apply(base("one"))
	found, err := h.engine.Neighbours(t.Context(), testEnclave, testRun)
	if err != nil || found.Services["db"]["http"].Number != 8080 || !slices.Equal(found.Artifacts, []string{"conf"}) {
		t.Fatalf("found are %+v, %v", found, err)
	}
	h.apply(operations)
	same(t, "afterwards", h.preview(operations), nil)
	outdated := func() []string {
		t.Helper()
		result, err := h.engine.Observe(t.Context(), testEnclave, testRun)
		if err != nil {
			t.Fatal(err)
		}
		return result.Outdated
	}
	same(t, "outdated", outdated(), nil)

	// A replaced service keeps its address, so that only what worked on it is done again.
	apply(base("one", env("X", "1")))
	same(t, "outdated after a replacement", outdated(), []string{`service "db" was replaced`})
	same(t, "diff after a replacement", h.preview(operations), []string{`run db#1: service "db" was replaced`})
	_, changes, execs := h.apply(operations)
	same(t, "commands", execs, []string{"db grant"})
	same(t, "changes", changes, nil)
	same(t, "outdated in the end", outdated(), nil)

	// Another content is noticed although nothing changed in this run's plan.
	apply(base("two", env("X", "1")))
	same(t, "outdated after a change", outdated(), []string{`files artifact "conf" of another run changed`})
	same(t, "diff after a change", h.preview(operations), []string{"replace api: files at /conf changed"})
	view, err := h.engine.View(t.Context(), testEnclave, testRun)
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := view.Diff(h.request(operations))
	if err != nil || !slices.ContainsFunc(decisions, func(d Decision) bool { return d.Object == "api" && d.Reason == "files at /conf changed" }) {
		t.Errorf("a view must tell the same: %v, %v", decisions, err)
	}
	h.apply(operations)
	same(t, "outdated at last", outdated(), nil)

	// Another address replaces who uses it.
	if err := h.backend.RemoveService(t.Context(), testEnclave, "db"); err != nil {
		t.Fatal(err)
	}
	same(t, "outdated without it", outdated(), []string{`service "db" of another run is missing`})
	h.apply(planOf(add("other"), add("api", env("DB", "none"), mount("/conf", "conf")), add("web", env("DB", value("other", "hostname")))))
	apply(base("two"))
	_, changes, _ = h.apply(operations)
	if !slices.Contains(changes, "CreateService dev/api") {
		t.Errorf("changes are %q, want api among them", changes)
	}

	// What is another run's is not ours to stop.
	h.fails(planOf(&plan.StopService{Service: "db"}), `"base"`)
	if _, err := h.engine.Neighbours(t.Context(), "nowhere", testRun); err != nil {
		t.Errorf("an enclave that is not there has nothing: %v", err)
	}
	if _, err := h.engine.View(t.Context(), testEnclave, "nobody"); !errors.Is(err, ErrNoRun) {
		t.Errorf("got %v, want that there is no such run", err)
	}
	if _, err := h.engine.View(t.Context(), "nowhere", testRun); !errors.Is(err, enclave.ErrNotFound) {
		t.Errorf("got %v, want that there is no such enclave", err)
	}
}

// TestLostArtifactsShow: nobody else takes away what a run has stored, but it can be lost.
func TestLostArtifactsShow(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	operations := planOf(upload(t, "conf", "x"), add("db", mount("/conf", "conf")))
	result, _, _ := h.apply(operations)
	if err := h.backend.RemoveArtifacts(t.Context(), testEnclave, []string{result.Artifacts["conf"]}); err != nil {
		t.Fatal(err)
	}
	seen, err := h.engine.Observe(t.Context(), testEnclave, testRun)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "outdated", seen.Outdated, []string{`files artifact "conf" is missing`})
	same(t, "diff", h.preview(operations), []string{"create conf: its content is missing: something else removed it"})
	h.apply(operations)
	same(t, "diff afterwards", h.preview(operations), nil)
}

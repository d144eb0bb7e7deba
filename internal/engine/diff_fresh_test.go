package engine

import (
	"slices"
	"testing"
)

func TestDiffFreshIsTheDiffOfANewEnclave(t *testing.T) {
	h := newHarness(t, nil)
	request := h.request(planOf(upload(t, "config", "x"), add("db"), add("api", mount("/etc/app", "config"), env("DB", value("db", "ip_address"))), exec("api#1", "api", "migrate")))
	want, err := h.engine.Diff(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DiffFresh(request)
	if err != nil || len(got) == 0 || !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v: %v", got, want, err)
	}
	if _, err := DiffFresh(Request{Enclave: "No", Run: testRun, Plan: request.Plan}); err == nil {
		t.Error("a wrong name must be refused")
	}
}

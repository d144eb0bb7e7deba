package engine

import (
	"fmt"
	"testing"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
)

// An image that has moved on in its registry shows only where images are pulled at every apply, and nothing is pulled to
// find out.
func TestNewerImagesShowWhereTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.backend.PublishImage(testImage, "one")
	request := h.request(planOf(add("db"), exec("db#1", "db", "tune")))
	request.Images = enclave.ImageAlways
	if _, err := h.engine.Apply(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	look := func(see func() (*View, error)) (status string, said []string) {
		t.Helper()
		view, err := see()
		if err != nil {
			t.Fatal(err)
		}
		decisions, err := view.Diff(request)
		if err != nil {
			t.Fatal(err)
		}
		for _, decision := range decisions {
			if decision.Action != ActionKeep {
				said = append(said, fmt.Sprintf("%s %s: %s", decision.Action, decision.Object, decision.Reason))
			}
		}
		return view.Result().Services["db"].Status, said
	}
	plain := func() (*View, error) { return h.engine.View(t.Context(), testEnclave, testRun) }
	asking := func() (*View, error) { return h.engine.ViewNewerImages(t.Context(), testEnclave, testRun) }
	if status, said := look(asking); status != "running" || said != nil {
		t.Errorf("before it moves: %s, %q", status, said)
	}
	h.backend.PublishImage(testImage, "two")
	if status, said := look(plain); status != "running" || said != nil {
		t.Errorf("where nobody asks: %s, %q", status, said)
	}
	status, said := look(asking)
	if status != "running (newer image)" {
		t.Errorf("the status is %q", status)
	}
	same(t, "what is said", said, []string{"replace db: image changed", `run db#1: service "db" was replaced`})
	result, err := h.engine.Apply(t.Context(), request)
	if err != nil || result.Operations["replace"] != 1 {
		t.Errorf("the apply does it: %v, %v", result, err)
	}
	if status, said := look(asking); status != "running" || said != nil {
		t.Errorf("afterwards: %s, %q", status, said)
	}
}

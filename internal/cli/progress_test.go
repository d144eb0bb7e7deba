package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/engine"
)

func TestProgressTellsOfTheStepsOfOneStep(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	p := newProgress(&written)
	begin := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, event := range []engine.Event{
		{Status: "started"}, {Status: "progress", Message: "[2/2] RUN make"}, {Status: "done"},
	} {
		event.Step, event.Object, event.Time = "image", "app:1", begin.Add(time.Duration(i)*time.Second)
		p.tell(event)
	}
	if got, want := written.String(), "image app:1 ...\nimage app:1: [2/2] RUN make\nimage app:1 done (2.0s)\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

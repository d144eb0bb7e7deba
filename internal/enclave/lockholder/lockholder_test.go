package lockholder

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestProcessesAreToldApart(t *testing.T) {
	t.Parallel()
	own := This()
	if own.Machine == "" {
		t.Skip("this system does not tell when a process was started")
	}
	if alive, known := own.Alive(); !alive || !known {
		t.Errorf("this process is alive: %v, known: %v", alive, known)
	}
	reused := own
	reused.Started = "1"
	if alive, known := reused.Alive(); alive || !known {
		t.Errorf("a process before this one with its number is alive: %v, known: %v", alive, known)
	}
	elsewhere := own
	elsewhere.Machine = "elsewhere"
	if _, known := elsewhere.Alive(); known {
		t.Error("a process of another machine is known")
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	must(t, command.Start())
	gone := Process{Machine: own.Machine, PID: command.Process.Pid}
	gone.Started, _ = Started(gone.PID)
	must(t, command.Wait())
	if gone.Started == "" {
		gone.Started = "1"
	}
	if alive, known := gone.Alive(); alive || !known {
		t.Errorf("a process that has ended is alive: %v, known: %v", alive, known)
	}
	if _, known := Alive("not JSON"); known {
		t.Error("what nobody has written is known")
	}
}

func TestOnlyOwnHoldsCanBeLost(t *testing.T) {
	t.Parallel()
	text := func(hold string) string {
		content, err := json.Marshal(Process{Hold: hold})
		must(t, err)
		return string(content)
	}
	var mine, other Holds
	hold, foreign := mine.Begin(), other.Begin()
	if mine.Lost(text(hold)) {
		t.Error("it is held, and lost")
	}
	mine.End(hold)
	if !mine.Lost(text(hold)) {
		t.Error("it is not held any more, and not lost")
	}
	other.End(foreign)
	if mine.Lost(text(foreign)) || mine.Lost("not JSON") || mine.Lost(text("")) {
		t.Error("what belongs to somebody else is lost")
	}
}

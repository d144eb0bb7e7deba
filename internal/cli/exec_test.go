package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/memory"
)

func TestExecHasTheStatusOfTheCommand(t *testing.T) {
	var asked enclave.ExecRequest
	w := newWorld(t, memory.Hooks{Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		asked = request
		if request.Command[0] == "migrate" {
			return &enclave.ExecResult{}, nil
		}
		text := strings.Join(request.Command, " ") + "\n"
		if request.Stdin != nil {
			input, err := io.ReadAll(request.Stdin)
			if err != nil {
				return nil, err
			}
			text += string(input)
		}
		return &enclave.ExecResult{Output: text, Code: len(request.Command)}, nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev")
	result := w.run("exec", "-e", "A=1", "dev", "db", "--", "ls", "-l", "--", "/")
	if result.code != 4 || result.output != "ls -l -- /\n" || result.message != "" || asked.Env["A"] != "1" || asked.Stdin != nil {
		t.Errorf("%+v %+v", result, asked)
	}
	if result := w.run("exec", "dev", "db", "ls", "-f"); result.code != 2 || result.output != "ls -f\n" {
		t.Errorf("the flags after the service are the command's: %+v", result)
	}
	if result := w.start(t.Context(), "typed", "exec", "-i", "dev", "db", "--", "cat"); result.code != 1 || result.output != "cat\ntyped" {
		t.Errorf("%+v", result)
	}
	w.backend.Kill("dev", "db", 9)
	w.fails(ExitOwn, []string{"exec", "dev", "db", "--", "ls"}, "not running", "9")
	w.fails(ExitOwn, []string{"exec", "dev", "bd", "--", "ls"}, `did you mean "db"?`)
	w.fails(ExitUsage, []string{"exec", "dev", "db", "--"}, "no command")
	w.fails(ExitUsage, []string{"exec", "dev", "db"}, "3 arg")
}

func TestExecKeepsStreamsApartAndTellsWhatCannotRun(t *testing.T) {
	var asked enclave.ExecRequest
	w := newWorld(t, memory.Hooks{Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		switch request.Command[0] {
		case "nothing":
			return nil, &enclave.CommandError{Code: enclave.CodeNotFound, Err: errors.New("no such file")}
		case "ls":
			asked = request
			_, err := io.WriteString(request.Stderr, "a warning\n")
			return &enclave.ExecResult{Output: "a file\n"}, err
		}
		return &enclave.ExecResult{}, nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev")
	t.Setenv("SUNDOG_TEST_PASSED_ON", "from here")
	result := w.run("exec", "-e", "A=1,2=3", "-e", "SUNDOG_TEST_PASSED_ON", "-e", "SUNDOG_TEST_UNSET", "-u", "7:8", "-w", "/tmp", "dev", "db", "ls")
	if result.code != 0 || result.output != "a file\n" || result.notice != "a warning\n" {
		t.Errorf("%+v", result)
	}
	if len(asked.Env) != 2 || asked.Env["A"] != "1,2=3" || asked.Env["SUNDOG_TEST_PASSED_ON"] != "from here" || asked.User != "7:8" || asked.WorkingDir != "/tmp" || asked.Terminal != nil {
		t.Errorf("%+v", asked)
	}
	w.fails(enclave.CodeNotFound, []string{"exec", "dev", "db", "nothing"}, "no such file")
	w.fails(ExitUsage, []string{"exec", "-e", "=1", "dev", "db", "ls"}, "--env")
	w.fails(ExitUsage, []string{"exec", "-it", "dev", "db", "ls"}, "no terminal", "-t")
}

func TestShellThatIsThere(t *testing.T) {
	for _, test := range []struct {
		has  []string
		want string
	}{{[]string{"bash", "sh"}, "bash"}, {[]string{"sh"}, "sh"}, {[]string{"bash"}, "bash"}, {nil, ""}} {
		var ran []string
		w := newWorld(t, memory.Hooks{Exec: func(_ context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
			program := request.Command[0]
			switch {
			case program == "migrate":
				return &enclave.ExecResult{}, nil
			case !slices.Contains(test.has, program):
				if request.Stdin != nil {
					t.Errorf("%s would take what is typed", program)
				}
				return nil, &enclave.CommandError{Code: enclave.CodeNotFound, Err: errors.New("not there")}
			case slices.Equal(request.Command, []string{"sh", "-c", "command -v bash"}) && !slices.Contains(test.has, "bash"):
				return &enclave.ExecResult{Code: 1}, nil
			case len(request.Command) > 1:
				return &enclave.ExecResult{}, nil
			}
			input, err := io.ReadAll(request.Stdin)
			ran = append(ran, program+" "+string(input))
			return &enclave.ExecResult{Code: 5}, err
		}})
		w.ok("run", webshop(t), "--enclave", "dev")
		result := w.start(t.Context(), "ls", "shell", "dev", "db")
		if test.want == "" {
			if result.code != enclave.CodeNotFound {
				t.Errorf("%+v", result)
			}
			contains(t, result.message, "has no shell", testImage, "sundog exec -it dev db -- PROGRAM")
			continue
		}
		if result.code != 5 || !slices.Equal(ran, []string{test.want + " ls"}) {
			t.Errorf("with %v: %q %+v", test.has, ran, result)
		}
	}
}

// TestShellOnATerminal types into a shell through a terminal of its own.
func TestShellOnATerminal(t *testing.T) {
	mine, theirs, err := pty.Open()
	if err != nil {
		t.Skip("this system gives no pseudo-terminal:", err)
	}
	defer mine.Close()
	defer theirs.Close()
	if err := pty.Setsize(mine, &pty.Winsize{Cols: 101, Rows: 31}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "vt100")
	w := newWorld(t, memory.Hooks{Exec: func(ctx context.Context, _, _ string, request enclave.ExecRequest) (*enclave.ExecResult, error) {
		if request.Terminal == nil {
			return &enclave.ExecResult{}, nil
		}
		fmt.Fprintf(request.Stdout, "%s %dx%d %s\r\n", request.Command[0], request.Terminal.Size.Width, request.Terminal.Size.Height, request.Env["TERM"])
		key := make([]byte, 1)
		if _, err := io.ReadFull(request.Stdin, key); err != nil {
			return nil, err
		}
		fmt.Fprintf(request.Stdout, "key %d\r\n", key[0])
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case size := <-request.Terminal.Resizes:
			fmt.Fprintf(request.Stdout, "now %dx%d\r\n", size.Width, size.Height)
		}
		return &enclave.ExecResult{Code: 3}, nil
	}})
	w.ok("run", webshop(t), "--enclave", "dev")
	before, err := term.GetState(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	var seen notebook
	go func() { _, _ = io.Copy(&seen, mine) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	root := newRoot("1.2.3", w.tools)
	root.SetIn(theirs)
	root.SetOut(theirs)
	root.SetErr(theirs)
	root.SetArgs([]string{"shell", "dev", "db"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	seen.await(t, "bash 101x31 vt100\r\n", 1)
	// An interruption is a key like any other: the terminal does not make a signal of it.
	if _, err := mine.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "key 3\r\n", 1)
	if err := pty.Setsize(mine, &pty.Winsize{Cols: 77, Rows: 22}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "now 77x22\r\n", 1)
	if err := <-ended; ExitCode(err) != 3 || Message(err) != "" {
		t.Errorf("it ends as the shell does: %v", err)
	}
	after, err := term.GetState(int(theirs.Fd()))
	if err != nil || *after != *before {
		t.Errorf("the terminal is as it was before: %v %v", err, strings.Compare(fmt.Sprint(*before), fmt.Sprint(*after)))
	}
}

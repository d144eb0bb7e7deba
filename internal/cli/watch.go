package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

const (
	// watchInterval is how often a package's folder is looked at, at most. A change counts once nothing has changed for one
	// interval.
	watchInterval = 100 * time.Millisecond
	// watchShare bounds what looking costs: a folder is left alone for so many times as long as looking at it took.
	watchShare = 10
)

func newWatch(t *tools) *cobra.Command {
	call := &runCall{tools: t}
	command := &cobra.Command{
		Use:   "watch PACKAGE --enclave NAME",
		Short: "Run a package, and run it again whenever one of its files changes",
		Long: "PACKAGE is a folder. Each run touches only what the change concerns. A run that is under way when a file changes is\n" +
			"interrupted: what it has done is kept, and the next one goes on from there. A package that is wrong, or a run that\n" +
			"fails, is told, and the next change tries again. It ends when it is interrupted; the enclave stays.\n\n" +
			"Watched are all files below the folder but those of .git and .terraform, and the file of --args-file. What the package\n" +
			"does not use, such as a file that .dockerignore leaves out, neither interrupts nor starts a run.",
		Example: "  sundog watch ./shop --enclave dev\n  sundog watch ./shop --enclave dev --args-file dev.yaml --ttl 8h",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			info, err := os.Stat(args[0])
			if err != nil || !info.IsDir() {
				return usage("PACKAGE: there is no folder %s; only a folder can be watched", args[0])
			}
			watched := []string{args[0]}
			switch file := call.flags.interpretation.argsFile; file {
			case "":
			case "-":
				return usage("--args-file: standard input cannot be read again and again: name a file")
			default:
				watched = append(watched, file)
			}
			return watch(command, watched, watchedCall{
				do:     func() error { return call.once(command, args[0]) },
				differ: func() bool { return call.differs(command, args[0]) },
			})
		},
	}
	call.add(command)
	return command
}

// watchedCall is what is done again and again. Differ tells whether a change of files makes it worth it, and is asked
// while it may be under way.
type watchedCall struct {
	do     func() error
	differ func() bool
}

// watch does something now and after every change that matters, until the command's context ends.
func watch(command *cobra.Command, watched []string, call watchedCall) error {
	ctx := command.Context()
	for first := true; ctx.Err() == nil; first = false {
		seen := lookAt(watched)
		doing, interrupt := context.WithCancel(ctx)
		changed := make(chan string, 1)
		go func() {
			if file := awaitDifference(doing, watched, seen, call.differ, command.ErrOrStderr()); file != "" {
				changed <- file
				interrupt()
			}
		}()
		command.SetContext(doing)
		begun := time.Now()
		err := call.do()
		if err != nil && first && ExitCode(err) == ExitUsage {
			interrupt()
			return err
		}
		if doing.Err() == nil {
			if message := messageOf(err); message != "" {
				fmt.Fprintln(command.ErrOrStderr(), "Error:", message)
			}
			fmt.Fprintf(command.ErrOrStderr(), "Watching for changes, after %.1fs. Interrupt to end.\n", time.Since(begun).Seconds())
		}
		<-doing.Done()
		interrupt()
		select {
		case file := <-changed:
			fmt.Fprintf(command.ErrOrStderr(), "\n%s changed.\n", file)
		default:
		}
	}
	return nil
}

// differs tells whether the package asks for something else than what the enclave holds. A package that is wrong does.
func (c *runCall) differs(command *cobra.Command, where string) bool {
	if c.held.Load() == nil {
		return true // Nothing holds, so that anything may mend it.
	}
	quiet := &cobra.Command{}
	quiet.SetErr(io.Discard)
	quiet.SetContext(command.Context())
	carrier, name, err := c.backend.named(c.tools, c.enclave)
	if err != nil {
		return true
	}
	made, err := c.flags.interpret(quiet, where, carrier, name)
	if err != nil {
		return true
	}
	digest := asDigest(made)
	return digest == "" || digest != *c.held.Load()
}

// asDigest tells plans apart by what they ask for. It stays in this process, so it needs no key.
func asDigest(made *plan.Plan) string {
	asked := []any{made.PackageName, made.Output}
	for i := range made.Instructions {
		asked = append(asked, made.Instructions[i].Name, made.Instructions[i].Operation)
	}
	digest, err := plan.KeyedDigest(nil, asked)
	if err != nil {
		return "" // It equals no other plan's: then every change counts.
	}
	return digest
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return Message(err)
}

// looks is how files were when somebody looked.
type looks map[string]look

type look struct {
	size     int64
	modified time.Time
	mode     fs.FileMode
}

// lookAt notes the files of some paths. What cannot be looked at counts as not there: it may come back.
func lookAt(paths []string) looks {
	seen := looks{}
	for _, path := range paths {
		_ = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // As said above.
			}
			if entry.IsDir() {
				if slices.Contains([]string{".git", ".terraform"}, entry.Name()) {
					return filepath.SkipDir
				}
				return nil
			}
			if info, err := entry.Info(); err == nil {
				seen[name] = look{info.Size(), info.ModTime(), info.Mode()}
			} else if !errors.Is(err, fs.ErrNotExist) {
				seen[name] = look{}
			}
			return nil
		})
	}
	return seen
}

// difference names a file that is not as it was; empty where there is none.
func (l looks) difference(now looks) string {
	var names []string
	for name, before := range l {
		if after, found := now[name]; !found || after != before {
			names = append(names, name)
		}
	}
	for name := range now {
		if _, found := l[name]; !found {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// awaitDifference names a file that has changed once the changes have come to rest and matter; empty when the context ends.
func awaitDifference(ctx context.Context, watched []string, seen looks, differ func() bool, notices io.Writer) string {
	for {
		file, now := awaitChange(ctx, watched, seen)
		if file == "" || differ() {
			return file
		}
		fmt.Fprintf(notices, "%s changed, which changes nothing that the package asks for.\n", file)
		seen = now
	}
}

// awaitChange names a file that has changed once the changes have come to rest, and gives how all are then; empty when the
// context ends.
func awaitChange(ctx context.Context, watched []string, seen looks) (string, looks) {
	last, took := seen, time.Duration(0)
	for pause(ctx, max(watchInterval, watchShare*took)) {
		begun := time.Now()
		now := lookAt(watched)
		took = time.Since(begun)
		if file := seen.difference(now); file != "" && last.difference(now) == "" {
			return file, now
		}
		last = now
	}
	return "", nil
}

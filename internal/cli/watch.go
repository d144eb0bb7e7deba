package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// watchInterval is how often a package's folder is looked at. A change counts once nothing has changed for one interval.
const watchInterval = 250 * time.Millisecond

func newWatch(t *tools) *cobra.Command {
	call := runCall{tools: t}
	command := &cobra.Command{
		Use:   "watch PACKAGE --enclave NAME",
		Short: "Run a package, and run it again whenever one of its files changes",
		Long: "PACKAGE is a folder. Each run touches only what the change concerns. A run that is under way when a file changes is\n" +
			"interrupted: what it has done is kept, and the next one goes on from there. A package that is wrong, or a run that\n" +
			"fails, is told, and the next change tries again. It ends when it is interrupted; the enclave stays.\n\n" +
			"Watched are all files below the folder but those of .git and .terraform, and the file of --args-file.",
		Example: "  sundog watch ./shop --enclave dev",
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
			return watch(command, watched, func() error { return call.once(command, args[0]) })
		},
	}
	call.add(command)
	return command
}

// watch does something now and after every change, until the command's context ends.
func watch(command *cobra.Command, watched []string, do func() error) error {
	ctx := command.Context()
	for first := true; ctx.Err() == nil; first = false {
		seen := lookAt(watched)
		doing, interrupt := context.WithCancel(ctx)
		changed := make(chan string, 1)
		go func() {
			if file := awaitChange(doing, watched, seen); file != "" {
				changed <- file
				interrupt()
			}
		}()
		command.SetContext(doing)
		err := do()
		if err != nil && first && ExitCode(err) == ExitUsage {
			interrupt()
			return err
		}
		if doing.Err() == nil {
			if message := messageOf(err); message != "" {
				fmt.Fprintln(command.ErrOrStderr(), "Error:", message)
			}
			fmt.Fprintln(command.ErrOrStderr(), "Watching for changes. Interrupt to end.")
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

// awaitChange names a file that has changed once the changes have come to rest; empty when the context ends.
func awaitChange(ctx context.Context, watched []string, seen looks) string {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	last := seen
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-ticker.C:
		}
		now := lookAt(watched)
		if file := seen.difference(now); file != "" && last.difference(now) == "" {
			return file
		}
		last = now
	}
}

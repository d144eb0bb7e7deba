package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// job is one step of a face under way: one command, or two at the same time.
type job struct {
	commands []*exec.Cmd
	files    []*os.File // what each has printed, standard error apart
	errors   *os.File
	ended    chan struct{}
	results  []error
}

// begin starts the commands. What they print goes into files, so that a process that outlives its parent holds up nobody.
func begin(folder string, commands []*exec.Cmd) (*job, error) {
	j := &job{commands: commands, ended: make(chan struct{}), results: make([]error, len(commands))}
	var err error
	if j.errors, err = os.Create(filepath.Join(folder, "stderr")); err != nil {
		return nil, err
	}
	for i, command := range commands {
		file, err := os.Create(filepath.Join(folder, "stdout-"+string(rune('a'+i))))
		if err != nil {
			return nil, err
		}
		j.files = append(j.files, file)
		command.Stdout, command.Stderr = file, j.errors
		if err := command.Start(); err != nil {
			return nil, err
		}
	}
	go func() {
		for i, command := range commands {
			j.results[i] = command.Wait()
		}
		close(j.ended)
	}()
	return j, nil
}

// groups are the process groups of the commands.
func (j *job) groups() []int {
	var groups []int
	for _, command := range j.commands {
		groups = append(groups, command.Process.Pid)
	}
	return groups
}

var errHangs = errors.New("it hangs")

// wait waits for the end. What hangs is killed, and is a failure.
func (j *job) wait() error {
	defer func() {
		for _, file := range append(j.files, j.errors) {
			_ = file.Close() // Everything is written by others.
		}
	}()
	select {
	case <-j.ended:
		return errors.Join(j.results...)
	case <-time.After(commandTime):
		for _, group := range j.groups() {
			_ = syscall.Kill(-group, syscall.SIGKILL) // Whoever ended meanwhile needs no killing.
		}
		<-j.ended
		return errHangs
	}
}

// printed is what the commands have written to standard output, the first one's first.
func (j *job) printed() string {
	var text strings.Builder
	for _, file := range j.files {
		content, err := os.ReadFile(file.Name())
		if err == nil {
			text.Write(content)
		}
	}
	return text.String()
}

// complaint is what the commands say about a failure: the errors in their documents, or the end of what they printed, and
// what they wrote to standard error, which comes last so that it is never cut off.
func (j *job) complaint() string {
	content, err := os.ReadFile(j.errors.Name())
	if err != nil {
		return err.Error()
	}
	var said strings.Builder
	printed := j.printed()
	documents := json.NewDecoder(strings.NewReader(printed))
	for {
		var document struct {
			Error *struct{ Message, Position string }
		}
		if documents.Decode(&document) != nil {
			break
		}
		if document.Error != nil {
			fmt.Fprintf(&said, "\n%s: %s", document.Error.Position, document.Error.Message)
			printed = ""
		}
	}
	text := printed + said.String() + "\n" + strings.TrimSpace(string(content))
	return text[max(0, len(text)-4000):]
}

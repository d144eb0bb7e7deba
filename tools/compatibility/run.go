package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long one package may take.
const patience = 5 * time.Minute

// answer is what `sundog package plan --format json` prints, as far as it is looked at here.
type answer struct {
	OK    bool
	Error *struct {
		Phase   string
		Message string
	}
	Services     map[string]json.RawMessage
	Instructions []json.RawMessage
	Packages     []struct{ Locator, Commit string }
}

// result is what came of one package.
type result struct {
	entry        entry
	verdict      string
	services     int
	instructions int
	took         time.Duration
	// problem says why this is not what was expected; empty where it is.
	problem string
}

type runner struct {
	sundog, vendor string
	// commits of the repositories, by place in the vendor folder.
	commits map[string]string
}

// run plans one package.
func (r runner) run(ctx context.Context, e entry) result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	arguments := []string{"package", "plan", e.locator + "@" + e.commit, "--vendor", r.vendor, "--format", "json"}
	switch {
	case strings.HasPrefix(e.arguments, "{"):
		arguments = append(arguments, "--args", e.arguments)
	case e.arguments != "":
		arguments = append(arguments, "--args-file", filepath.Join(r.vendor, filepath.FromSlash(e.repository()), filepath.FromSlash(e.arguments)))
	}
	command := exec.CommandContext(ctx, r.sundog, arguments...) //nolint:gosec // it is what the caller wants to be asked
	var output, problem bytes.Buffer
	command.Stdout, command.Stderr = &output, &problem
	started := time.Now()
	err := command.Run()
	found := result{entry: e, took: time.Since(started)}

	var got answer
	if decoding := json.Unmarshal(output.Bytes(), &got); decoding != nil {
		found.verdict = "failed"
		found.problem = fmt.Sprintf("the command gave no answer: %v\n%s%s", errors.Join(err, decoding), output.String(), problem.String())
		return found
	}
	found.services, found.instructions = len(got.Services), len(got.Instructions)
	found.verdict, found.problem = r.judge(e, got, command.ProcessState.ExitCode())
	return found
}

// judge compares an answer with what is expected.
func (r runner) judge(e entry, got answer, status int) (verdict, problem string) {
	verdict, message := planned, ""
	if !got.OK {
		verdict = refused
		if got.Error != nil {
			message = got.Error.Phase + ": " + got.Error.Message
		}
	}
	if got.OK != (status == 0) {
		return verdict, fmt.Sprintf("exit status %d does not go with ok %t", status, got.OK)
	}
	if verdict != e.expectation.verdict {
		return verdict, strings.TrimSpace("expected " + e.expectation.verdict + ": " + message)
	}
	if !strings.Contains(message, e.expectation.says) {
		return verdict, fmt.Sprintf("expected to be told %q: %s", e.expectation.says, message)
	}
	// Where the vendor folder holds checkouts, the command knows what it used.
	for _, used := range got.Packages {
		if want := r.commit(used.Locator); used.Commit != "" && want != "" && used.Commit != want {
			return verdict, fmt.Sprintf("%s was used at commit %s, the list says %s", used.Locator, used.Commit, want)
		}
	}
	return verdict, ""
}

// commit is what the list says of a repository that a package has used. A version that the list does not name is served
// by the repository itself.
func (r runner) commit(locator string) string {
	name, version, _ := strings.Cut(locator, "@")
	if commitPattern.MatchString(version) {
		return version
	}
	if commit, ok := r.commits[locator]; ok {
		return commit
	}
	return r.commits[name]
}

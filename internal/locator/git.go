package locator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// git calls the git binary for one remote repository. Credentials are git's own business: its helpers and the SSH agent.
type git struct {
	url    string
	logger *slog.Logger
	// sshEnvironment keeps SSH from asking questions, unless the user has told git how to call it.
	sshEnvironment []string
}

func newGit(ctx context.Context, url string, logger *slog.Logger) *git {
	g := &git{url: url, logger: logger}
	if strings.HasPrefix(url, "https://") || os.Getenv("GIT_SSH_COMMAND") != "" || os.Getenv("GIT_SSH") != "" {
		return g
	}
	if configured, err := g.run(ctx, "", "config", "--get", "core.sshCommand"); err != nil || configured == "" {
		g.sshEnvironment = []string{"GIT_SSH_COMMAND=ssh -oBatchMode=yes"}
	}
	return g
}

// referenceKind tells what a version turned out to be.
type referenceKind string

const (
	kindTag    referenceKind = "tag"
	kindBranch referenceKind = "branch"
	kindCommit referenceKind = "commit"
)

// reference is what a version means in a repository.
type reference struct {
	kind referenceKind
	name string // full name, for example refs/tags/v1; for a commit its hash as written
	// commit is the full hash; empty for a short hash, which only the fetched history can tell.
	commit string
}

// find asks the remote what a version means: a tag, else a branch, else a commit.
func (g *git) find(ctx context.Context, version string) (reference, error) {
	arguments := []string{"ls-remote", "--", g.url, "HEAD"}
	if version != "" {
		arguments = []string{"ls-remote", "--", g.url, "refs/tags/" + version, "refs/tags/" + version + "^{}", "refs/heads/" + version}
	}
	output, err := g.retry(ctx, "", arguments...)
	if err != nil {
		return reference{}, err
	}
	commits := map[string]string{}
	for line := range strings.Lines(output) {
		if commit, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && len(commit) == 40 {
			commits[name] = commit
		}
	}
	if version == "" {
		if commits["HEAD"] == "" {
			return reference{}, fmt.Errorf("%w: repository %s is empty: it has no default branch", ErrNotFound, g.name())
		}
		return reference{kind: kindBranch, name: "HEAD", commit: commits["HEAD"]}, nil
	}
	tag, branch := "refs/tags/"+version, "refs/heads/"+version
	switch {
	case commits[tag+"^{}"] != "":
		return reference{kind: kindTag, name: tag, commit: commits[tag+"^{}"]}, nil
	case commits[tag] != "":
		return reference{kind: kindTag, name: tag, commit: commits[tag]}, nil
	case commits[branch] != "":
		return reference{kind: kindBranch, name: branch, commit: commits[branch]}, nil
	case commitPattern.MatchString(version):
		found := reference{kind: kindCommit, name: version}
		if len(version) == 40 {
			found.commit = version
		}
		return found, nil
	}
	return reference{}, fmt.Errorf("%w: repository %s has no tag, branch or commit %q", ErrNotFound, g.name(), version)
}

// fetch puts the files of a reference into work/files and tells its commit.
func (g *git) fetch(ctx context.Context, work string, found reference) (string, error) {
	store := filepath.Join(work, "store")
	if _, err := g.run(ctx, "", "init", "--quiet", "--bare", store); err != nil {
		return "", err
	}
	commit := found.commit
	var err error
	switch {
	case found.kind == kindCommit && found.commit != "":
		// Most servers give a single commit; where one does not, the whole history is fetched.
		if _, err = g.retry(ctx, store, "fetch", "--quiet", "--depth=1", "--no-tags", "--", g.url, found.commit); err != nil && ctx.Err() == nil {
			err = g.fetchAll(ctx, store)
		}
	case found.kind == kindCommit:
		if err = g.fetchAll(ctx, store); err == nil {
			commit, err = g.expand(ctx, store, found.name)
		}
	default:
		_, err = g.retry(ctx, store, "fetch", "--quiet", "--depth=1", "--no-tags", "--", g.url, found.name)
		if err == nil {
			// The branch may have moved since it was looked up: what was fetched counts.
			commit, err = g.expand(ctx, store, "FETCH_HEAD")
		}
	}
	if err != nil {
		return "", err
	}
	if _, err := g.run(ctx, store, "cat-file", "-e", commit+"^{commit}"); err != nil {
		return "", fmt.Errorf("%w: repository %s has no commit %q", ErrNotFound, g.name(), found.name)
	}
	return commit, g.checkout(ctx, store, commit, filepath.Join(work, "files"))
}

func (g *git) fetchAll(ctx context.Context, store string) error {
	_, err := g.retry(ctx, store, "fetch", "--quiet", "--no-tags", "--", g.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
	return err
}

func (g *git) expand(ctx context.Context, store, name string) (string, error) {
	output, err := g.run(ctx, store, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	commit := strings.TrimSpace(output)
	if err != nil || len(commit) != 40 {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w: repository %s has no commit %q, or more than one starts with it", ErrNotFound, g.name(), name)
	}
	return commit, nil
}

// checkout writes the files of a commit, without filters, hooks and submodules.
func (g *git) checkout(ctx context.Context, store, commit, files string) error {
	if err := os.MkdirAll(files, 0o700); err != nil {
		return fmt.Errorf("check out %s: %w", g.name(), err)
	}
	if _, err := g.run(ctx, store, "read-tree", commit); err != nil {
		return err
	}
	_, err := g.run(ctx, store, "--work-tree="+files, "checkout-index", "--all", "--force")
	return err
}

// The pauses between attempts at a remote that answers badly.
var pauses = [...]time.Duration{time.Second, 2 * time.Second}

// transientPattern holds for failures of a network that may be gone a second later.
var transientPattern = regexp.MustCompile(`(?i)early EOF|RPC failed|timed out|connection reset|unexpected disconnect|hung up|error: 5\d\d|error: 429|Could not resolve host: .*temporary`)

// retry runs git up to three times while the network fails.
func (g *git) retry(ctx context.Context, store string, arguments ...string) (string, error) {
	for attempt := 0; ; attempt++ {
		output, err := g.run(ctx, store, arguments...)
		if err == nil || attempt == len(pauses) || !transientPattern.MatchString(err.Error()) {
			return output, err
		}
		g.logger.WarnContext(ctx, "git failed, trying again", "repository", g.name(), "error", err)
		timer := time.NewTimer(pauses[attempt])
		select {
		case <-ctx.Done():
			timer.Stop()
			return "", ctx.Err()
		case <-timer.C:
		}
	}
}

func (g *git) run(ctx context.Context, store string, arguments ...string) (string, error) {
	full := []string{
		"-c", "core.autocrlf=false", "-c", "core.symlinks=true", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
		"-c", "protocol.ext.allow=never", "-c", "gc.auto=0",
	}
	if store != "" {
		full = append(full, "--git-dir="+store)
	}
	command := exec.CommandContext(ctx, "git", append(full, arguments...)...) //nolint:gosec // URLs and versions were checked, and stand after "--"
	command.Env = append(gitEnvironment(os.Environ()), g.sshEnvironment...)
	// A transport that outlives git must not keep us waiting.
	command.WaitDelay = 5 * time.Second
	var output, problem bytes.Buffer
	command.Stdout, command.Stderr = &output, &problem
	err := command.Run()
	switch {
	case err == nil:
		return output.String(), nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("fetch %s: %w", g.name(), ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: fetch %s: there is no git program in PATH: install git, or use a vendor folder", ErrGit, g.name())
	}
	reason := gitReason(problem.String())
	if reason == "" {
		reason = err.Error()
	}
	return "", fmt.Errorf("%w: fetch %s: %s", ErrGit, g.name(), redact(reason))
}

// gitReason keeps what git says about the cause and drops its progress.
func gitReason(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "warning:") && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return strings.Join(lines, "; ")
}

// gitEnvironment keeps git from asking questions and from working on a repository that we happen to be called in.
func gitEnvironment(environment []string) []string {
	kept := slices.DeleteFunc(slices.Clone(environment), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		switch name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_NAMESPACE", "LC_ALL", "LANGUAGE":
			return true
		}
		return false
	})
	kept = append(kept, "GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1", "LC_ALL=C")
	return kept
}

var credentialPattern = regexp.MustCompile(`(://)[^/@\s]*@`)

// redact removes credentials from URLs in a text.
func redact(text string) string { return credentialPattern.ReplaceAllString(text, "$1") }

func (g *git) name() string { return redact(g.url) }

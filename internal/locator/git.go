package locator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
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
	pauses []time.Duration
	// sshEnvironment keeps SSH from asking questions, unless the user has told git how to call it.
	sshEnvironment []string
}

func (r *Resolver) git(ctx context.Context, url string) *git {
	g := &git{url: url, logger: r.logger, pauses: r.pauses}
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

// ask runs a command on the remote. Some hosts know a repository only without ".git", which is tried where the usual
// name leads to nothing; arguments hold the usual one.
func (g *git) ask(ctx context.Context, arguments []string) (string, error) {
	output, err := g.retry(ctx, "", arguments...)
	shorter, ok := strings.CutSuffix(g.url, markSuffix)
	if err == nil || !ok || !missingPattern.MatchString(err.Error()) {
		return output, err
	}
	again := slices.Clone(arguments)
	again[slices.Index(again, g.url)] = shorter
	output, secondErr := g.retry(ctx, "", again...)
	if secondErr != nil {
		return "", err
	}
	g.url = shorter
	return output, nil
}

// missingPattern holds for what git says when there is no repository where it looked.
var missingPattern = regexp.MustCompile(`(?i)not found|does not exist|not appear to be a git repository|error: 404`)

// find asks the remote what a version means: a tag, else a branch, else a commit.
func (g *git) find(ctx context.Context, version string) (reference, error) {
	arguments := []string{"ls-remote", "--", g.url, "HEAD"}
	if version != "" {
		arguments = []string{"ls-remote", "--", g.url, "refs/tags/" + version, "refs/tags/" + version + "^{}", "refs/heads/" + version}
	}
	output, err := g.ask(ctx, arguments)
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
	return reference{}, fmt.Errorf("%w: repository %s has no tag, branch or commit %q (the version is what stands between \"@\" and a path; to name a version with a slash and a path, write path@version)",
		ErrNotFound, g.name(), version)
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
		if _, err = g.fetchOne(ctx, store, found.commit); err != nil && ctx.Err() == nil {
			err = g.fetchAll(ctx, store)
		}
	case found.kind == kindCommit:
		if err = g.fetchAll(ctx, store); err == nil {
			commit, err = g.expand(ctx, store, found.name)
		}
	default:
		if _, err = g.fetchOne(ctx, store, found.name); err == nil {
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

// fetchOne fetches a single reference, without its history where the host can do that.
func (g *git) fetchOne(ctx context.Context, store, name string) (string, error) {
	output, err := g.retry(ctx, store, "fetch", "--quiet", "--depth=1", "--no-tags", "--", g.url, name)
	if err != nil && strings.Contains(err.Error(), "does not support shallow") {
		return g.retry(ctx, store, "fetch", "--quiet", "--no-tags", "--", g.url, name)
	}
	return output, err
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

// checkout writes the files of a commit as they lie in the repository, without filters, line ends, hooks and submodules,
// so that they are the same on every machine.
func (g *git) checkout(ctx context.Context, store, commit, files string) error {
	attributes := filepath.Join(store, "info", "attributes")
	err := os.MkdirAll(filepath.Dir(attributes), 0o700)
	if err == nil {
		err = os.WriteFile(attributes, []byte("* -text -eol -filter -ident -working-tree-encoding\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("check out %s: %w", g.name(), err)
	}
	if err := os.MkdirAll(files, 0o700); err != nil {
		return fmt.Errorf("check out %s: %w", g.name(), err)
	}
	if _, err := g.run(ctx, store, "read-tree", commit); err != nil {
		return err
	}
	_, err = g.run(ctx, store, "--work-tree="+files, "checkout-index", "--all", "--force")
	return err
}

// transientPattern holds for failures of a network that may be gone a second later.
var transientPattern = regexp.MustCompile(`(?i)early EOF|RPC failed|timed out|connection reset|unexpected disconnect|hung up|error: 5\d\d|error: 429|Could not resolve host: .*temporary`)

// retry runs git up to three times while the network fails.
func (g *git) retry(ctx context.Context, store string, arguments ...string) (string, error) {
	for attempt := 0; ; attempt++ {
		output, err := g.run(ctx, store, arguments...)
		if err == nil || attempt == len(g.pauses) || !transientPattern.MatchString(err.Error()) {
			return output, err
		}
		g.logger.WarnContext(ctx, "git failed, trying again", "repository", g.name(), "error", err)
		if wait(ctx, g.pauses[attempt]); ctx.Err() != nil {
			return "", ctx.Err()
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
	detach(command)
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
	return "", fmt.Errorf("%w: fetch %s: %s", ErrGit, g.name(), g.mask(reason)+advice(reason))
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

// advice says what to do about failures whose reason alone does not tell.
func advice(reason string) string {
	switch {
	case strings.Contains(reason, "could not read Username"), strings.Contains(reason, "could not read Password"),
		strings.Contains(reason, "terminal prompts disabled"), strings.Contains(reason, "Authentication failed"):
		return ": if the repository is private, give git credentials for this host through a credential helper (git config credential.helper), or let git use SSH (git config url.git@HOST:.insteadOf https://HOST/); if it should be public, check its name"
	case strings.Contains(reason, "Host key verification failed"):
		return ": connect once by hand with ssh to accept the host's key"
	case strings.Contains(reason, "Permission denied (publickey"):
		return ": load the key into the SSH agent (ssh-add), or name it in ~/.ssh/config"
	}
	return ""
}

// gitEnvironment keeps git from asking questions and from working on a repository that we happen to be called in.
// Credential helpers, GIT_ASKPASS, GIT_SSH_COMMAND and the SSH agent's address stay as they are.
func gitEnvironment(environment []string) []string {
	kept := slices.DeleteFunc(slices.Clone(environment), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "GIT_SSH_COMMAND", "GIT_SSH":
			return value == "" // git would try to run it
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR",
			"GIT_PREFIX", "GIT_NAMESPACE", "GIT_SHALLOW_FILE", "GIT_ATTR_SOURCE", "LC_ALL", "LANGUAGE",
			// It opens a window that nobody is in front of; credentials in traces stay masked.
			"SSH_ASKPASS", "GIT_TRACE_REDACT":
			return true
		}
		return false
	})
	return append(kept, "GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never", "GIT_LFS_SKIP_SMUDGE=1", "LC_ALL=C")
}

// credentialPattern finds what stands before the host of a URL. A password may hold an unescaped "@".
var credentialPattern = regexp.MustCompile(`(://)[^/\s'"]*@`)

// redact removes credentials from URLs in a text.
func redact(text string) string { return credentialPattern.ReplaceAllString(text, "$1") }

// mask removes credentials from URLs in a text, and those of this repository's own URL wherever they stand.
func (g *git) mask(text string) string {
	text = redact(text)
	_, rest, ok := strings.Cut(g.url, "://")
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if !ok || at < 0 {
		return text
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	secrets := []string{password}
	if strings.HasPrefix(g.url, "https://") {
		// Access tokens often stand in the user's place.
		secrets = append(secrets, user)
	}
	for _, secret := range secrets {
		decoded, err := url.PathUnescape(secret)
		if err != nil {
			decoded = secret
		}
		for _, shown := range []string{secret, decoded} {
			const shortest = 4 // anything shorter is part of ordinary words
			if len(shown) >= shortest {
				text = strings.ReplaceAll(text, shown, "***")
			}
		}
	}
	return text
}

func (g *git) name() string { return redact(g.url) }

package locator

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// private serves the repositories of a host over HTTPS, to whoever knows the password, by Git's own server.
func private(t *testing.T, h *host) (server *httptest.Server, asked *atomic.Int32) {
	t.Helper()
	backend := filepath.Join(h.git("", "--exec-path"), "git-http-backend")
	handler := &cgi.Handler{Path: backend, Env: []string{"GIT_PROJECT_ROOT=" + h.root, "GIT_HTTP_EXPORT_ALL=1"}}
	return serve(t, handler)
}

// serve asks for the password before it lets anybody in, and makes git trust the server's certificate.
func serve(t *testing.T, handler http.Handler) (server *httptest.Server, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		asked.Add(1)
		if user, password, ok := request.BasicAuth(); !ok || user != "me" || password != "hunter2/secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSL_CAINFO", trusted)
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url."+server.URL+"/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://")
	return server, asked
}

// helper lets git ask a credential helper, as users configure it.
func helper(t *testing.T, password string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "helper")
	text := "#!/bin/sh\n[ \"$1\" = get ] && printf 'username=me\\npassword=%s\\n' '" + password + "'\nexit 0\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_COUNT", "2")
	t.Setenv("GIT_CONFIG_KEY_1", "credential.helper")
	t.Setenv("GIT_CONFIG_VALUE_1", script)
}

func TestPrivateRepositoryOverHTTPS(t *testing.T) {
	h := newHost(t)
	commit := h.commit("github.com/o/r", map[string]string{"kurtosis.yml": manifestText, "main.star": "private"})
	server, _ := private(t, h)
	// Whatever would open a window or ask on the terminal is not called.
	prompt := filepath.Join(t.TempDir(), "asked")
	script := filepath.Join(t.TempDir(), "ask")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+prompt+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ASKPASS", script)
	t.Setenv("DISPLAY", ":0")

	_, err := New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/o/r", "")
	if !errors.Is(err, ErrGit) || !strings.Contains(err.Error(), "terminal prompts disabled") || !strings.Contains(err.Error(), "credential.helper") || !strings.Contains(err.Error(), "https://github.com/o/r.git") {
		t.Errorf("without credentials: %v", err)
	}
	helper(t, "wrong-password")
	_, err = New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "github.com/o/r", "")
	if !errors.Is(err, ErrGit) || !strings.Contains(err.Error(), "Authentication failed") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("with the wrong password: %v", err)
	}
	if _, err := os.Stat(prompt); err == nil {
		t.Error("somebody was asked")
	}
	helper(t, "hunter2/secret")
	for _, version := range []string{"", "@main", "@" + commit, "@" + commit[:9]} {
		if got, opened := text(t, New(Options{CacheDir: t.TempDir()}), "github.com/o/r"+version); got != "private" || opened.Used()[0].Commit != commit {
			t.Errorf("%q: %q, %+v", version, got, opened.Used())
		}
	}

	// Credentials in the URL work too, and are shown to nobody.
	t.Setenv("GIT_CONFIG_COUNT", "0")
	place := strings.TrimPrefix(server.URL, "https://")
	_, err = New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "https://me:hunter2%2Fwrong@"+place+"/github.com/o/r.git", "")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), place) {
		t.Errorf("password in the URL: %v", err)
	}
	_, err = New(Options{CacheDir: t.TempDir()}).Open(context.Background(), "https://me:hunter2%2Fsecret@"+place+"/github.com/o/r.git", "")
	// The repository was read: the only thing that is wrong is that the package is not named after this place.
	if !errors.Is(err, ErrManifest) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "github.com/o/r") || !strings.Contains(err.Error(), place) {
		t.Errorf("right password in the URL: %v", err)
	}
}

func TestPackageOnAHostWithAPort(t *testing.T) {
	h := newHost(t)
	server, _ := private(t, h)
	place := strings.TrimPrefix(server.URL, "https://")
	h.commit("group/sub/repo", map[string]string{"dir/kurtosis.yml": "name: " + place + "/group/sub/repo.git/dir\n", "dir/main.star": "deep"})
	h.in("group/sub/repo", "tag", "v1")
	helper(t, "hunter2/secret")
	t.Setenv("GIT_CONFIG_KEY_0", "user.name") // nothing is mapped to another place
	for _, locator := range []string{server.URL + "/group/sub/repo.git/dir@v1", place + "/group/sub/repo.git/dir@v1", "https://me@" + place + "/group/sub/repo.git/dir"} {
		if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), locator); got != "deep" {
			t.Errorf("%s: %q", locator, got)
		}
	}
	// In files of other packages a URL names a repository as well, and so does the value of a replace.
	opened := open(t, write(t, t.TempDir(), map[string]string{
		"kurtosis.yml": manifestText + "replace:\n  github.com/dep/d/dir: " + server.URL + "/group/sub/repo.git/dir@v1\n", "main.star": "",
	}))
	for _, locator := range []string{server.URL + "/group/sub/repo.git/dir/main.star", "github.com/dep/d/dir/main.star", place + "/group/sub/repo.git/dir/main.star@v1"} {
		if got := read(t, opened, locator); got != "deep" {
			t.Errorf("%s: %q", locator, got)
		}
	}
	if used := opened.Used(); len(used) != 2 || used[1].Locator != place+"/group/sub/repo.git@v1" {
		t.Errorf("used %+v", used)
	}
}

func TestHostThatOnlyServesFiles(t *testing.T) {
	h := newHost(t)
	first := h.commit("github.com/o/r", map[string]string{"kurtosis.yml": manifestText, "main.star": "one"})
	h.in("github.com/o/r", "tag", "v1")
	h.commit("github.com/o/r", map[string]string{"main.star": "two"})
	h.git(filepath.Join(h.root, "github.com/o/r.git"), "update-server-info")
	serve(t, http.FileServer(http.Dir(h.root)))
	helper(t, "hunter2/secret")
	for version, want := range map[string]string{"": "two", "@v1": "one", "@" + first: "one"} {
		if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), "github.com/o/r"+version); got != want {
			t.Errorf("%q: %q; want %q", version, got, want)
		}
	}
}

func TestHostThatKnowsNoSuffix(t *testing.T) {
	h := newHost(t)
	h.commit("git.example.com/o/r", map[string]string{"kurtosis.yml": "name: git.example.com/o/r\n", "main.star": "x"})
	bare := filepath.Join(h.root, "git.example.com/o/r")
	if err := os.Rename(bare+".git", bare); err != nil {
		t.Fatal(err)
	}
	if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), "git.example.com/o/r"); got != "x" {
		t.Errorf("%q", got)
	}
}

// sshHost is a real SSH server that runs git-upload-pack for whoever has the key.
type sshHost struct {
	port      string
	known     string // its line of known_hosts
	client    ssh.PublicKey
	requests  atomic.Int32
	agentSock string
	ctx       context.Context //nolint:containedctx // the server lives no longer than its test
}

func newSSHHost(t *testing.T, h *host) *sshHost {
	t.Helper()
	_, clientKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	hostSigner, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		t.Fatal(err)
	}
	clientSigner, err := ssh.NewSignerFromKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	s := &sshHost{client: clientSigner.PublicKey(), ctx: t.Context()}
	config := &ssh.ServerConfig{PublicKeyCallback: func(connection ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if connection.User() == "git" && string(key.Marshal()) == string(s.client.Marshal()) {
			return nil, nil
		}
		return nil, errors.New("unknown key")
	}}
	config.AddHostKey(hostSigner)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, s.port, _ = net.SplitHostPort(listener.Addr().String())
	s.known = fmt.Sprintf("[127.0.0.1]:%s %s", s.port, ssh.MarshalAuthorizedKey(hostSigner.PublicKey()))
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(h.root, connection, config)
		}
	}()

	// The agent is real as well: an SSH client asks it by its socket.
	keys := agent.NewKeyring()
	if err := keys.Add(agent.AddedKey{PrivateKey: clientKey}); err != nil {
		t.Fatal(err)
	}
	socketFolder, err := os.MkdirTemp("", "agent") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socketFolder) })
	s.agentSock = filepath.Join(socketFolder, "s")
	agentListener, err := new(net.ListenConfig).Listen(t.Context(), "unix", s.agentSock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agentListener.Close() })
	go func() {
		for {
			connection, err := agentListener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				_ = agent.ServeAgent(keys, connection)
			}()
		}
	}()
	return s
}

func (s *sshHost) serve(root string, connection net.Conn, config *ssh.ServerConfig) {
	defer connection.Close()
	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		for request := range requests {
			var payload struct{ Command string }
			if request.Type != "exec" || ssh.Unmarshal(request.Payload, &payload) != nil {
				_ = request.Reply(request.Type == "env", nil)
				continue
			}
			_ = request.Reply(true, nil)
			s.requests.Add(1)
			status := s.run(root, payload.Command, channel)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			channel.Close()
		}
	}
}

// run answers git-upload-pack '/path' and nothing else.
func (s *sshHost) run(root, line string, channel ssh.Channel) uint32 {
	repository, ok := strings.CutPrefix(line, "git-upload-pack '")
	repository = filepath.Join(root, strings.TrimSuffix(repository, "'"))
	if _, err := os.Stat(repository); !ok || err != nil {
		fmt.Fprintln(channel.Stderr(), "no such repository:", line)
		return 1
	}
	command := exec.CommandContext(s.ctx, "git-upload-pack", repository)
	command.Env = append(os.Environ(), "GIT_CONFIG_COUNT=0")
	command.Stdout, command.Stderr = channel, channel.Stderr()
	input, err := command.StdinPipe()
	if err != nil || command.Start() != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(input, channel)
		input.Close()
	}()
	if command.Wait() != nil {
		return 1
	}
	return 0
}

func TestPrivateRepositoryOverSSH(t *testing.T) {
	program, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("there is no SSH client on this machine, so nothing of ours can go wrong with one")
	}
	h := newHost(t)
	h.commit("o/r", map[string]string{"kurtosis.yml": "name: 127.0.0.1/o/r\n", "main.star": "over SSH"})
	h.commit("github.com/o/r", map[string]string{"kurtosis.yml": manifestText, "main.star": "mapped"})
	s := newSSHHost(t, h)
	known := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(known, []byte(s.known), 0o600); err != nil {
		t.Fatal(err)
	}
	// An SSH client's own configuration lies in the home that the system names, so a wrapper stands for it.
	wrapper := t.TempDir()
	script := "#!/bin/sh\nexec " + program + " -F /dev/null -oUserKnownHostsFile=" + known + " -oPasswordAuthentication=no \"$@\"\n"
	if err := os.WriteFile(filepath.Join(wrapper, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", wrapper+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "url.ssh://git@127.0.0.1:"+s.port+"/github.com/.insteadOf")
	t.Setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
	t.Setenv("SSH_AUTH_SOCK", s.agentSock)

	locator := "ssh://git@127.0.0.1:" + s.port + "/o/r"
	if got, opened := text(t, New(Options{CacheDir: t.TempDir()}), locator); got != "over SSH" || opened.Used()[0].Locator != "127.0.0.1/o/r" {
		t.Errorf("%q, %+v", got, opened.Used())
	}
	if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), "github.com/o/r"); got != "mapped" {
		t.Errorf("mapped by git's configuration: %q", got)
	}
	if s.requests.Load() < 4 {
		t.Errorf("the server was asked %d times", s.requests.Load())
	}
	// Without the agent there is a reason and a remedy.
	t.Setenv("SSH_AUTH_SOCK", "")
	_, err = New(Options{CacheDir: t.TempDir()}).Open(context.Background(), locator, "")
	if !errors.Is(err, ErrGit) || !strings.Contains(err.Error(), "Permission denied") || !strings.Contains(err.Error(), "ssh-add") {
		t.Errorf("without the agent: %v", err)
	}
	// An unknown host is refused and not asked about.
	if err := os.WriteFile(known, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{CacheDir: t.TempDir()}).Open(context.Background(), locator, "")
	if !errors.Is(err, ErrGit) || !strings.Contains(err.Error(), "Host key verification failed") || !strings.Contains(err.Error(), "accept the host's key") {
		t.Errorf("unknown host: %v", err)
	}
}

func TestSSHIsCalledAsTheUserSays(t *testing.T) {
	h := newHost(t)
	h.commit("o/r", map[string]string{"kurtosis.yml": "name: git.example.com/o/r\n", "main.star": "x"})
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	// The stand-in notes how it was called, and runs on this machine what it was to run on the other.
	script := "#!/bin/sh\necho \"${SSH_AUTH_SOCK} $*\" >> " + log + "\nfor last; do :; done\ncd " + h.root + "\nunset GIT_CONFIG_COUNT\neval \"$last\"\n"
	for _, name := range []string{"own-ssh", "ssh"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("SSH_AUTH_SOCK", "/some/agent")
	t.Setenv("GIT_CONFIG_COUNT", "0")
	called := func() string {
		t.Helper()
		if got, _ := text(t, New(Options{CacheDir: t.TempDir()}), "git@git.example.com:o/r@main"); got != "x" {
			t.Errorf("%q", got)
		}
		content, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(log)
		return string(content)
	}
	if got := called(); !strings.Contains(got, "/some/agent -oBatchMode=yes") || !strings.Contains(got, "git@git.example.com git-upload-pack 'o/r.git'") {
		t.Errorf("by default: %s", got)
	}
	t.Setenv("GIT_SSH_COMMAND", filepath.Join(folder, "own-ssh")+" -i /some/key")
	if got := called(); !strings.Contains(got, "/some/agent -i /some/key") || strings.Contains(got, "BatchMode") {
		t.Errorf("GIT_SSH_COMMAND: %s", got)
	}
	t.Setenv("GIT_SSH_COMMAND", "")
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.sshCommand")
	t.Setenv("GIT_CONFIG_VALUE_0", filepath.Join(folder, "own-ssh")+" -p 99")
	if got := called(); !strings.Contains(got, "/some/agent -p 99") || strings.Contains(got, "BatchMode") {
		t.Errorf("core.sshCommand: %s", got)
	}
}

func TestCredentialsAreMasked(t *testing.T) {
	t.Parallel()
	g := &git{url: "https://tokenuser:pa%20ss@word@host.example.com/o/r.git"}
	masked := g.mask("fatal: unable to access 'https://tokenuser:pa%20ss@word@host.example.com/o/r.git/': pa ss@word, pa%20ss@word, tokenuser")
	for _, secret := range []string{"pa%20ss", "pa ss", "word", "tokenuser"} {
		if strings.Contains(masked, secret) {
			t.Errorf("%q in %q", secret, masked)
		}
	}
	if got := (&git{url: "ssh://git@host/o/r"}).mask("git: fatal: github.com"); got != "git: fatal: github.com" {
		t.Errorf("the user of SSH is no secret: %q", got)
	}
	for _, locator := range []string{"http://me:hunter2@host.com/o/r", "https://me:hunter2@host.com/o", "https://me:hunter2@nohost/o/r", "https://me:hunter2@host.com/o/r@-x", "ftp://me:hunter2@host.com/o/r"} {
		if _, err := New(Options{}).Open(context.Background(), locator, t.TempDir()); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", locator, err)
		}
	}
	opened := open(t, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText, "main.star": ""}))
	for _, locator := range []string{"http://me:hunter2@host.com/o/r", "https://me:hunter2@github.com/o/r"} {
		if err := resolveError(t, opened, locator); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", locator, err)
		}
	}
}

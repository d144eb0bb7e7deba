package locator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// webHost serves one text, which tests change, and counts what it sent.
type webHost struct {
	*httptest.Server
	text    atomic.Value
	sent    atomic.Int32
	failing atomic.Int32 // answers 503 as often as this
}

func newWebHost(t *testing.T) *webHost {
	t.Helper()
	w := &webHost{}
	w.text.Store("one")
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
		text, _ := w.text.Load().(string)
		switch {
		case w.failing.Add(-1) >= 0:
			out.WriteHeader(http.StatusServiceUnavailable)
		case strings.HasPrefix(request.URL.Path, "/moved"):
			http.Redirect(out, request, "/there", http.StatusFound)
		case request.URL.Path == "/forever":
			http.Redirect(out, request, "/forever", http.StatusFound)
		case request.URL.Path == "/forbidden":
			out.WriteHeader(http.StatusForbidden)
		case request.URL.Path == "/slow":
			<-request.Context().Done()
		case request.URL.Path == "/endless":
			for request.Context().Err() == nil {
				if _, err := out.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return
				}
			}
		case request.URL.Path == "/cut":
			out.Header().Set("Content-Length", "100")
			fmt.Fprint(out, "x")
		case request.Header.Get("If-None-Match") == `"`+text+`"`:
			out.WriteHeader(http.StatusNotModified)
		default:
			out.Header().Set("ETag", `"`+text+`"`)
			w.sent.Add(1)
			fmt.Fprint(out, text)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// download gives the text and the name of what a URL leads to.
func downloadText(t *testing.T, opened *Package, address string) (name, text string) {
	t.Helper()
	tree, err := opened.Download(context.Background(), address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	content, err := tree.Files[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	read, err := io.ReadAll(content)
	if err != nil || tree.Files[0].Size != int64(len(read)) || len(tree.Files) != 1 || tree.Files[0].Mode != 0o644 {
		t.Errorf("%s: %+v, %v", address, tree.Files, err)
	}
	return tree.Files[0].Path, string(read)
}

func downloading(t *testing.T, options Options) *Package {
	t.Helper()
	opened := openWith(t, options, write(t, t.TempDir(), map[string]string{"kurtosis.yml": manifestText}), "")
	opened.resolver.pauses = []time.Duration{time.Millisecond, time.Millisecond}
	return opened
}

func TestDownload(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	cache := t.TempDir()
	opened := downloading(t, Options{CacheDir: cache})
	for address, want := range map[string]string{
		"/a/genesis.json?x=/y": "genesis.json", "": "download", "/": "download", "/a/": "a", "/moved/name": "name", "/a%20b": "a b", "/..": "download",
	} {
		if name, text := downloadText(t, opened, w.URL+address); name != want || text != "one" {
			t.Errorf("%s: %q, %q; want %q", address, name, text, want)
		}
	}
	// One resolver agrees with itself; the next one asks again, and fetches only what has changed.
	w.text.Store("two")
	if _, text := downloadText(t, opened, w.URL+"/x"); text != "two" {
		t.Errorf("%q", text)
	}
	w.text.Store("three")
	if _, text := downloadText(t, opened, w.URL+"/x"); text != "two" {
		t.Errorf("the same resolver: %q", text)
	}
	if _, text := downloadText(t, downloading(t, Options{CacheDir: cache}), w.URL+"/x"); text != "three" {
		t.Errorf("another resolver: %q", text)
	}
	sent := w.sent.Load()
	if _, text := downloadText(t, downloading(t, Options{CacheDir: cache}), w.URL+"/x"); text != "three" || w.sent.Load() != sent {
		t.Errorf("unchanged: %q, sent %d times", text, w.sent.Load()-sent)
	}
	if warnings := opened.Warnings(); len(warnings) != 8 || !strings.Contains(warnings[0], "sundog package lock") {
		t.Errorf("warnings %v", warnings)
	}
	// Offline the cache has the last word.
	w.Close()
	if _, text := downloadText(t, downloading(t, Options{CacheDir: cache, Offline: true}), w.URL+"/x"); text != "three" {
		t.Errorf("offline: %q", text)
	}
	if _, err := downloading(t, Options{CacheDir: t.TempDir(), Offline: true}).Download(context.Background(), w.URL+"/x"); !errors.Is(err, ErrOffline) {
		t.Errorf("offline with an empty cache: %v", err)
	}
	if entries, err := filepath.Glob(filepath.Join(cache, "*", workPrefix+"*")); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestDownloadErrors(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	opened := downloading(t, Options{CacheDir: t.TempDir(), MaxDownload: 1 << 20})
	for address, want := range map[string]string{
		"/forbidden": "403 Forbidden", "/forever": "stopped after 10 redirects", "/endless": "larger than the 1048576 bytes",
	} {
		if _, err := opened.Download(context.Background(), w.URL+address); !errors.Is(err, ErrDownload) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %v; want %q", address, err, want)
		}
	}
	for _, address := range []string{"ftp://x/y", "http://", "https:///x", "http://[", "http://x/%zz", "x"} {
		if _, err := opened.Download(context.Background(), address); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := downloading(t, Options{CacheDir: t.TempDir(), MaxDownload: 2}).Download(context.Background(), w.URL+"/x"); !errors.Is(err, ErrDownload) || !strings.Contains(err.Error(), "it is 3 bytes, and a download may have 2") {
		t.Errorf("too large by its own account: %v", err)
	}
	// Neither credentials nor what a query holds are shown.
	parsed, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = opened.Download(context.Background(), "http://user:hunter2@"+parsed.Host+"/forbidden?token=hunter3")
	if err == nil || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), "/forbidden?…") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	if _, err := opened.Download(ctx, w.URL+"/slow"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	blocked := write(t, t.TempDir(), map[string]string{"file": ""})
	if _, err := downloading(t, Options{CacheDir: filepath.Join(blocked, "file")}).Download(context.Background(), w.URL+"/x"); !errors.Is(err, ErrCache) || !strings.Contains(err.Error(), "writable") {
		t.Errorf("cache that cannot be written to: %v", err)
	}
}

func TestDownloadIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	w.failing.Store(2)
	if _, text := downloadText(t, downloading(t, Options{CacheDir: t.TempDir()}), w.URL+"/x"); text != "one" {
		t.Errorf("%q", text)
	}
	w.failing.Store(3)
	if _, err := downloading(t, Options{CacheDir: t.TempDir()}).Download(context.Background(), w.URL+"/x"); !errors.Is(err, ErrDownload) || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
	if _, err := downloading(t, Options{CacheDir: t.TempDir()}).Download(context.Background(), w.URL+"/cut"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
}

func TestDownloadIsPinned(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	address := w.URL + "/x"
	cache := t.TempDir()
	opened := downloading(t, Options{CacheDir: cache})
	downloadText(t, opened, address)
	lock, err := opened.Pins(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Write(filepath.Join(opened.Directory, LockName)); err != nil {
		t.Fatal(err)
	}
	w.text.Store("two")
	opened = openWith(t, Options{CacheDir: cache, Locked: true}, opened.Directory, "")
	if _, text := downloadText(t, opened, address); text != "one" || len(opened.Warnings()) > 0 {
		t.Errorf("pinned: %q, %v", text, opened.Warnings())
	}
	_, err = openWith(t, Options{CacheDir: t.TempDir()}, opened.Directory, "").Download(context.Background(), address)
	if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), lock.Files[address]) || !strings.Contains(err.Error(), LockName+":4") {
		t.Errorf("changed: %v", err)
	}
	if _, err := opened.Download(context.Background(), address+"2"); !errors.Is(err, ErrLock) {
		t.Errorf("not locked: %v", err)
	}
	// A cached file that was changed is fetched again.
	w.text.Store("one")
	if err := os.WriteFile(filepath.Join(cache, "files", lock.Files[address]), []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, text := downloadText(t, openWith(t, Options{CacheDir: cache}, opened.Directory, ""), address); text != "one" {
		t.Errorf("%q", text)
	}
}

func TestDownloadNoticesChanges(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	cache := t.TempDir()
	tree, err := downloading(t, Options{CacheDir: cache}).Download(context.Background(), w.URL+"/x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cache, "files", tree.Files[0].SHA256), []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteTar(io.Discard); !errors.Is(err, errChanged) {
		t.Error(err)
	}
}

func TestParallelDownloads(t *testing.T) {
	t.Parallel()
	w := newWebHost(t)
	opened := downloading(t, Options{CacheDir: t.TempDir()})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := opened.Download(context.Background(), w.URL+"/x"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if w.sent.Load() != 1 {
		t.Errorf("fetched %d times", w.sent.Load())
	}
}

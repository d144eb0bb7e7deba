package locator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// downloadTime bounds one download, as upstream does.
const downloadTime = 5 * time.Minute

// downloadCell holds what one URL gave, asked at most once.
type downloadCell struct {
	mutex sync.Mutex
	found *download
}

// download is a file that a URL gave.
type download struct {
	file string // on disk
	sum  string // SHA-256
	size int64
}

// IsURL tells whether a text is a URL whose content Download gives.
func IsURL(text string) bool {
	lower := strings.ToLower(text)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// parseDownload checks a URL.
func parseDownload(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		if reason, ok := errors.AsType[*url.Error](err); ok {
			err = reason.Err
		}
		return nil, fmt.Errorf("%w %q: %w", ErrSyntax, redactURL(text), err)
	case !strings.EqualFold(parsed.Scheme, "http") && !strings.EqualFold(parsed.Scheme, "https"):
		return nil, fmt.Errorf("%w %q: a URL starts with http:// or https://", ErrSyntax, redactURL(text))
	case parsed.Hostname() == "":
		return nil, fmt.Errorf("%w %q: the URL names no host", ErrSyntax, redactURL(text))
	}
	return parsed, nil
}

// downloadName is what a file is called that came from a URL: the last element of its path.
func downloadName(parsed *url.URL) string {
	name := path.Base(parsed.Path)
	if name == "." || name == ".." || name == "/" || strings.ContainsAny(name, "\x00\\") {
		return "download"
	}
	return name
}

// Download gives what a URL leads to as a file tree with one file. One resolver gives the same content as long as it
// lives; from one to the next only a lock file does.
func (p *Package) Download(ctx context.Context, address string) (*plan.FileTree, error) {
	parsed, err := parseDownload(address)
	if err != nil {
		return nil, err
	}
	pinned, warning, err := p.locks.file(address)
	if err != nil {
		return nil, err
	}
	found, err := p.resolver.download(ctx, address, pinned)
	if err != nil {
		return nil, err
	}
	if warning == "" && pinned == nil && p.resolver.options.VendorDir == "" && !p.resolver.options.Refresh {
		warning = fmt.Sprintf("what %s gives may be something else tomorrow: \"sundog package lock\" notes its digest", redactURL(address))
	}
	p.warn(warning)
	p.mutex.Lock()
	p.files[address] = found
	p.mutex.Unlock()
	name := downloadName(parsed)
	return plan.NewFileTree([]plan.File{{
		Path: name, Mode: 0o644, Size: found.size, SHA256: found.sum,
		Open: func() (io.ReadCloser, error) {
			file, err := os.Open(found.file)
			if err != nil {
				return nil, fmt.Errorf("open what %s gave: %w", redactURL(address), err)
			}
			return newVerifiedFile(file, name, found.sum), nil
		},
	}})
}

// download finds a URL's content: in the vendor folder, in the cache, or at its host.
func (r *Resolver) download(ctx context.Context, address string, pinned *held[string]) (*download, error) {
	key := address
	if pinned != nil {
		key += "#" + pinned.value
	}
	r.mutex.Lock()
	cell := r.downloads[key]
	if cell == nil {
		cell = &downloadCell{}
		r.downloads[key] = cell
	}
	r.mutex.Unlock()

	cell.mutex.Lock()
	defer cell.mutex.Unlock()
	if cell.found != nil {
		return cell.found, nil
	}
	find := r.cachedDownload
	if r.options.VendorDir != "" {
		find = r.vendoredDownload
	}
	found, err := find(ctx, address, pinned)
	if err != nil {
		return nil, err
	}
	if pinned != nil && found.sum != pinned.value {
		return nil, fmt.Errorf("%w: %s gives a file with the digest %s, and %s says %s: \"sundog package lock --upgrade\" accepts what is there now", ErrMismatch, redactURL(address), found.sum, pinned.place, pinned.value)
	}
	cell.found = found
	return found, nil
}

func (r *Resolver) vendoredDownload(_ context.Context, address string, _ *held[string]) (*download, error) {
	list, err := r.listed()
	if err != nil {
		return nil, err
	}
	sum, ok := list.files[address]
	if !ok {
		return nil, fmt.Errorf("%w: %w: what %s gives is not in the vendor folder %s: \"sundog package vendor\" puts it there", ErrOffline, ErrNotFound, redactURL(address), r.options.VendorDir)
	}
	found, err := digestFile(filepath.Join(r.options.VendorDir, vendorFiles, sum))
	if err != nil || found.sum != sum {
		return nil, fmt.Errorf("%w: %s: the vendor folder's copy is missing or was changed: run \"sundog package vendor\" again", ErrMismatch, redactURL(address))
	}
	return found, nil
}

// remembered is what the cache notes about a URL, beside the content that it gave last.
type rememberedURL struct {
	SHA256       string `json:"sha256"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// cachedDownload finds a URL's content in <cache>/files/<SHA-256>, or fetches it. Beside that folder, urls/<SHA-256 of
// the URL> holds what the URL gave last, which the host is asked about unless nothing may be fetched.
func (r *Resolver) cachedDownload(ctx context.Context, address string, pinned *held[string]) (*download, error) {
	folder := filepath.Join(r.cacheDir(), "files")
	if pinned != nil {
		if found, err := digestFile(filepath.Join(folder, pinned.value)); err == nil && found.sum == pinned.value {
			return found, nil
		}
	}
	sum := sha256.Sum256([]byte(address))
	note := filepath.Join(r.cacheDir(), "urls", hex.EncodeToString(sum[:]))
	var last rememberedURL
	var known *download
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &last) == nil && sumPattern.MatchString(last.SHA256) {
		if found, err := digestFile(filepath.Join(folder, last.SHA256)); err == nil && found.sum == last.SHA256 {
			known = found
		}
	}
	if r.options.Offline {
		if known == nil || pinned != nil {
			return nil, fmt.Errorf("%w: what %s gives is not in the cache %s: run once with network access, or use a vendor folder", ErrOffline, redactURL(address), r.cacheDir())
		}
		return known, nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, r.cacheError(err)
	}
	sweep(folder, workPrefix)
	fetched, answer, err := r.get(ctx, address, folder, known, last)
	if err != nil {
		return nil, err
	}
	if fetched != known {
		last = rememberedURL{SHA256: fetched.sum, ETag: answer.Get("ETag"), LastModified: answer.Get("Last-Modified")}
		r.rememberURL(ctx, note, last)
	}
	return fetched, nil
}

func (r *Resolver) rememberURL(ctx context.Context, note string, last rememberedURL) {
	text, err := json.Marshal(last)
	if err == nil {
		if err = os.MkdirAll(filepath.Dir(note), 0o700); err == nil {
			err = writeWhole(note, text)
		}
	}
	if err != nil {
		r.logger.DebugContext(ctx, "the cache cannot be written to", "file", note, "error", err)
	}
}

// get asks the host, up to three times while it answers badly.
func (r *Resolver) get(ctx context.Context, address, folder string, known *download, last rememberedURL) (*download, http.Header, error) {
	timed, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	for attempt := 0; ; attempt++ {
		fetched, answer, err := r.getOnce(timed, address, folder, known, last)
		if err == nil {
			return fetched, answer, nil
		}
		transient, ok := errors.AsType[*transientError](err)
		switch {
		case ctx.Err() != nil:
			return nil, nil, fmt.Errorf("download %s: %w", redactURL(address), ctx.Err())
		case timed.Err() != nil:
			return nil, nil, fmt.Errorf("%w: %s: it took longer than %s", ErrDownload, redactURL(address), downloadTime)
		case !ok:
			return nil, nil, err
		case attempt == len(r.pauses):
			return nil, nil, transient.error
		}
		r.logger.WarnContext(ctx, "download failed, trying again", "url", redactURL(address), "error", transient.error)
		wait(timed, r.pauses[attempt])
	}
}

// transientError is a failure that may be gone a second later.
type transientError struct{ error }

// Unwrap gives the failure itself.
func (e *transientError) Unwrap() error { return e.error }

func (r *Resolver) getOnce(ctx context.Context, address, folder string, known *download, last rememberedURL) (*download, http.Header, error) {
	fail := func(format string, arguments ...any) error {
		return fmt.Errorf("%w: %s: %w", ErrDownload, redactURL(address), fmt.Errorf(format, arguments...)) //nolint:err113 // the sentinel stands before it
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, fail("%w", causeOf(err))
	}
	// The bytes count as they lie there.
	request.Header.Set("Accept-Encoding", "identity")
	request.Header.Set("User-Agent", "sundog")
	if known != nil {
		if last.ETag != "" {
			request.Header.Set("If-None-Match", last.ETag)
		}
		if last.LastModified != "" {
			request.Header.Set("If-Modified-Since", last.LastModified)
		}
	}
	answer, err := http.DefaultClient.Do(request)
	switch {
	case answer != nil && err != nil:
		// It was led in a circle.
		return nil, nil, fail("%w", causeOf(err))
	case err != nil:
		return nil, nil, &transientError{fail("%w", causeOf(err))}
	}
	defer answer.Body.Close() //nolint:errcheck // only read from
	switch {
	case answer.StatusCode == http.StatusNotModified && known != nil:
		return known, answer.Header, nil
	case answer.StatusCode >= http.StatusInternalServerError, answer.StatusCode == http.StatusTooManyRequests:
		return nil, nil, &transientError{fail("the host answered %s", answer.Status)}
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return nil, nil, fail("the host answered %s", answer.Status)
	}
	most := r.options.MaxDownload
	if most == 0 {
		most = DefaultMaxDownload
	}
	if answer.ContentLength > most {
		return nil, nil, fail("it is %d bytes, and a download may have %d: put the file into an image, or fetch it while running", answer.ContentLength, most)
	}
	fetched, err := r.store(answer.Body, folder, most)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, nil, fail("it is larger than the %d bytes that a download may have: put the file into an image, or fetch it while running", most)
	case errors.Is(err, ErrCache):
		return nil, nil, err
	case err != nil:
		return nil, nil, &transientError{fail("%w", causeOf(err))}
	}
	return fetched, answer.Header, nil
}

var errTooLarge = errors.New("too large")

// store writes content into a folder under the name of its digest.
func (r *Resolver) store(content io.Reader, folder string, most int64) (*download, error) {
	temporary, err := os.CreateTemp(folder, workPrefix)
	if err != nil {
		return nil, r.cacheError(err)
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // after the renaming there is nothing to remove
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(hash, temporary), io.LimitReader(content, most+1))
	err = errors.Join(err, temporary.Close())
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, r.cacheError(err)
	case err != nil:
		return nil, err
	case size > most:
		return nil, errTooLarge
	}
	found := &download{sum: hex.EncodeToString(hash.Sum(nil)), size: size}
	found.file = filepath.Join(folder, found.sum)
	if err := os.Rename(temporary.Name(), found.file); err != nil {
		return nil, r.cacheError(err)
	}
	return found, nil
}

// causeOf drops what the HTTP client says about the URL, whose query may hold a credential.
func causeOf(err error) error {
	if reason, ok := errors.AsType[*url.Error](err); ok {
		return reason.Err
	}
	return err
}

func digestFile(name string) (*download, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return nil, err
	}
	return &download{file: name, sum: hex.EncodeToString(hash.Sum(nil)), size: size}, nil
}

// wait sleeps, but not longer than ctx.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

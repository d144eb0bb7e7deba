package locator

import "errors"

// The conditions under which a locator leads nowhere. Errors of this package wrap one of them.
var (
	// ErrNotFound: the file, folder, repository or version does not exist.
	ErrNotFound = errors.New("not found")
	// ErrOutside: the path leaves the repository that it belongs to.
	ErrOutside = errors.New("path leaves the repository")
	// ErrSyntax: the text is no locator.
	ErrSyntax = errors.New("malformed locator")
	// ErrSelfImport: a file names its own package by an absolute locator.
	ErrSelfImport = errors.New("a package refers to its own files by relative locators only")
	// ErrOffline: the files would have to be fetched, and fetching is switched off.
	ErrOffline = errors.New("fetching is switched off")
	// ErrManifest: a kurtosis.yml is wrong.
	ErrManifest = errors.New("wrong kurtosis.yml")
	// ErrGit: git could not fetch.
	ErrGit = errors.New("git failed")
	// ErrDownload: what a URL gives could not be fetched.
	ErrDownload = errors.New("download failed")
	// ErrLock: a sundog.lock is malformed, or lacks what only it may tell.
	ErrLock = errors.New("wrong sundog.lock")
	// ErrMismatch: files are not the ones that a lock or a vendor folder's list says.
	ErrMismatch = errors.New("files differ from what was noted")
	// ErrVendor: a vendor folder's list is malformed, or the folder holds what is not in it.
	ErrVendor = errors.New("wrong vendor folder")
	// ErrCache: the folder for fetched files cannot be used.
	ErrCache = errors.New("cannot use the cache")
)

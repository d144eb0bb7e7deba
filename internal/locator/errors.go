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
)

package locator

import (
	"bytes"
	"fmt"
)

// Git LFS keeps a small text in place of a large file. Where LFS did not bring the file, the text is all there is, and
// whoever uses it as the file's content finds out late.

// maxPointerSize bounds an LFS pointer, as LFS itself does.
const maxPointerSize = 1024

var pointerStart = []byte("version https://git-lfs.github.com/spec/")

// isPointer tells whether a file's content is what Git LFS keeps in place of it.
func isPointer(content []byte) bool {
	return len(content) <= maxPointerSize && bytes.HasPrefix(content, pointerStart) && bytes.Contains(content, []byte("\noid sha256:"))
}

// pointerAdvice is how to get rid of a pointer. It is a warning and no error: packages are published that hold pointers
// nobody needs, and upstream takes them for the files.
const pointerAdvice = "Git LFS keeps the file elsewhere, and files of LFS are not fetched: put the file itself into the repository, or run \"git lfs pull\" in a checkout and use that as the package, or as the target of \"replace\""

// pointerWarning tells that a file of a tree is a pointer.
func pointerWarning(name string, of *tree) string {
	return fmt.Sprintf("%q of %s is a Git LFS pointer and not the file: %s", name, of, pointerAdvice)
}

// headWriter keeps the first bytes of what is written to it.
type headWriter struct{ bytes []byte }

// Write implements io.Writer.
func (w *headWriter) Write(data []byte) (int, error) {
	if missing := maxPointerSize - len(w.bytes); missing > 0 {
		w.bytes = append(w.bytes, data[:min(missing, len(data))]...)
	}
	return len(data), nil
}

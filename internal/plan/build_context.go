package plan

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const (
	defaultBuildFile = "Dockerfile"
	// ignoreFile names what is left out of a build context. Under the build file's name with this at its end, it
	// belongs to that build file alone and goes before the general one.
	ignoreFile = ".dockerignore"
)

// File gives the path of the build file inside of the context.
func (b *Build) File() string {
	if b.BuildFile == "" {
		return defaultBuildFile
	}
	return path.Clean(b.BuildFile)
}

// IgnoreFile gives the path of the file that says what of a build context is ignored, or nothing if there is none.
func (b *Build) IgnoreFile() string {
	for _, name := range []string{b.File() + ignoreFile, ignoreFile} {
		if b.Context != nil && b.Context.file(name) != nil {
			return name
		}
	}
	return ""
}

// Prune leaves out of a build's context what is ignored, so that it is part of nothing that is compared. The build file
// and the one that says what is ignored stay in any case, as the builder needs them.
func (b *Build) Prune() error {
	visible, err := b.Visible()
	if err != nil || visible == nil {
		return err
	}
	kept := visible.Files
	for _, name := range []string{b.File(), b.IgnoreFile()} {
		if file := b.Context.file(name); file != nil && visible.file(name) == nil {
			kept = append(slices.Clone(kept), *file)
		}
	}
	b.Context, err = NewFileTree(kept)
	return err
}

// Visible gives the part of a build's context that its instructions can see: all that is not ignored. The build file
// itself may be ignored too.
func (b *Build) Visible() (*FileTree, error) {
	name := b.IgnoreFile()
	if name == "" {
		return b.Context, nil
	}
	matcher, err := readIgnored(b.Context.file(name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	var kept []File
	for _, file := range b.Context.Files {
		ignored, err := matcher.MatchesOrParentMatches(file.Path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if !ignored {
			kept = append(kept, file)
		}
	}
	return NewFileTree(kept)
}

// InputDigest covers what an image is built of, except for the build's arguments, which may be secret: what the build can see
// of its context, the build file, its path and the stage.
func (b *Build) InputDigest() (string, error) {
	visible, err := b.Visible()
	if err != nil {
		return "", err
	}
	context := ""
	if visible != nil {
		context = visible.Digest()
		if visible.file(b.File()) == nil {
			if file := b.Context.file(b.File()); file != nil {
				context += " " + file.SHA256
			}
		}
	}
	return TextFile("input", 0, fmt.Sprintf("%s\n%q %q\n", context, b.File(), b.TargetStage)).SHA256, nil
}

func readIgnored(file *File) (*patternmatcher.PatternMatcher, error) {
	if file.Open == nil {
		return nil, errors.New("it is no regular file")
	}
	content, err := file.Open()
	if err != nil {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(content)
	if closeErr := content.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return patternmatcher.New(patterns)
}

// file finds a file of the tree by its path, or gives nil.
func (t *FileTree) file(name string) *File {
	at, found := slices.BinarySearchFunc(t.Files, name, func(file File, name string) int { return comparePaths(file.Path, name) })
	if !found {
		return nil
	}
	return &t.Files[at]
}

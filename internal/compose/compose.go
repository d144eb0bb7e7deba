// Package compose turns Compose files into packages: a project of Compose files becomes the text of one Starlark file,
// which is then interpreted like any other. It reads through a Files and nothing else, never asks the machine's
// environment, and gives the same text for the same files and variables.
package compose

import (
	"context"
	"fmt"
)

// overrideNames are merged over the Compose file beside which they lie, the first one that is there.
var overrideNames = []string{
	"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
	"docker_compose.override.yml", "docker_compose.override.yaml",
}

// Kind is what stands at a path.
type Kind int

// The kinds of what stands at a path.
const (
	Missing Kind = iota
	File
	Folder
)

// Files is the repository in which a Compose file lies. Paths are slash-separated, relative to its root and free of
// "..". It gives nothing from outside of the repository, through no link either.
type Files interface {
	// Read gives the content of a file.
	Read(path string) ([]byte, error)
	// Stat tells what stands at a path; an error means that it may not be looked at.
	Stat(path string) (Kind, error)
}

// Source is a Compose project.
type Source struct {
	Files Files
	// File is the path of the Compose file.
	File string
	// Name is the project's name where no file gives one; it becomes part of the names of volumes.
	Name string
}

// Options say how a project is converted.
type Options struct {
	// Variables win over those of the file .env beside the Compose file. They are all that ${NAME} can stand for.
	Variables map[string]string
}

// Result is a converted project.
type Result struct {
	// Text is a Starlark file with the entry function run(plan, profiles, variables).
	Text string
	// Warnings name what could not be carried over, in the order of services and keys.
	Warnings []Warning
}

// Warning says that a key of a Compose file has no effect, or another one than in Compose.
type Warning struct {
	Place
	// Key is the path of the key, for example services.web.restart.
	Key     string
	Message string
}

// Place is a line of a Compose file.
type Place struct {
	// File is the path in the repository.
	File string
	// Line and Column count from 1.
	Line, Column int
}

// Error is why a Compose project cannot be converted.
type Error struct {
	Place
	Message string
}

// Error gives the place and the message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// Convert turns a Compose project into a Starlark file. Errors are of type *Error, apart from those of the context.
func Convert(ctx context.Context, source Source, options Options) (*Result, error) {
	loaded, err := load(ctx, source, options)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return newConverter(source, loaded).convert()
}

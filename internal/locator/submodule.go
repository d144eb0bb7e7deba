package locator

import "strings"

// submodules are the folders of a repository whose files Git keeps in other repositories; they are not fetched.
type submodules struct{ paths []string }

// submoduleAbove gives the submodule that a path is or lies in; empty when there is none.
func (t *tree) submoduleAbove(relative string) string {
	for _, module := range t.submodules() {
		if within(relative, module) {
			return module
		}
	}
	return ""
}

func (t *tree) submodules() []string {
	t.mutex.Lock()
	found := t.modules
	t.mutex.Unlock()
	if found != nil {
		return found.paths
	}
	found = &submodules{}
	// A tree that stands for a part of a repository has no such file; explaining an error must not lead to another.
	if root, err := t.opened(); err == nil {
		if text, err := root.ReadFile(".gitmodules"); err == nil {
			found.paths = parseSubmodules(string(text))
		}
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.modules = found
	return found.paths
}

// parseSubmodules reads the paths out of a .gitmodules, which has the form of Git's configuration files.
func parseSubmodules(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(key) != "path" {
			continue
		}
		module := joinPath(strings.Trim(strings.TrimSpace(value), `"`))
		if module != "" && !climbs(module) {
			paths = append(paths, module)
		}
	}
	return paths
}

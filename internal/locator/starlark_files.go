package locator

import (
	"context"
	"strings"
)

// StarlarkFiles lists the root package's Starlark files by their paths relative to its folder, sorted. What the ignore
// file keeps out is not among them.
func (p *Package) StarlarkFiles(ctx context.Context) ([]string, error) {
	tree, err := p.file(p.root, p.folder).Tree(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range tree.Files {
		if strings.HasSuffix(file.Path, ".star") && file.SHA256 != "" {
			names = append(names, file.Path)
		}
	}
	return names, nil
}

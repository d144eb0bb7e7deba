package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newImportModule() *builtin {
	file := required("module_file", text, "Locator of a Starlark file: relative to the calling file, from the repository's root with a leading slash, or github.com/owner/repository/path[@version].")
	return function("import_module", "Runs a Starlark file, or what a Compose file means, once and gives its globals as attributes.", "module", func(c *call) (starlark.Value, error) {
		where := file.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		found, ok := c.scope.resolve("module_file", where, locator.Module)
		if !ok {
			return nil, nil
		}
		if found.IsDir() {
			c.scope.problem("module_file", "%q is a folder: name a Starlark file in it", where)
			return nil, nil
		}
		loaded, err := c.in.load(found, c.scope.site.position)
		if err != nil {
			return nil, err
		}
		return loaded.value, nil
	}, file)
}

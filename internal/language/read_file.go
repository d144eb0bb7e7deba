package language

import (
	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

func newReadFile() *builtin {
	source := required("src", text, "Locator of a text file, as for import_module.").formerly("src_path")
	return function("read_file", "Gives the text of a file; of a Compose file the Starlark that it means.", "string", func(c *call) (starlark.Value, error) {
		where := source.of(c.arguments)
		if c.bad() {
			return nil, nil
		}
		found, ok := c.scope.resolve("src", where, locator.Module)
		if !ok {
			return nil, nil
		}
		content, err := c.in.source(found)
		if err != nil {
			c.scope.problem("src", "%v", err)
			return nil, nil
		}
		return starlark.String(content), nil
	}, source)
}

package language

import (
	_ "embed" // the hand-written part of the reference
	"fmt"
	"strings"
)

//go:embed reference_preamble.md
var referencePreamble string

const referenceHead = `---
page_title: "Package language"
subcategory: "Guides"
description: |-
  The Starlark dialect of packages: every instruction, type and function, with its parameters.
---

`

// Reference is the built-in reference of the language as Markdown: what it is, and everything that Descriptors lists.
func Reference() string {
	var out strings.Builder
	out.WriteString(referenceHead + strings.TrimSpace(referencePreamble) + "\n")
	for _, section := range []struct{ kind, title, text string }{
		{kindFunction, "Functions", "These can be called anywhere."},
		{kindInstruction, "Instructions", "These are functions of `plan`, which the package's function gets. Each has a last parameter `description`: the line that is shown while the instruction is carried out, in place of the usual one."},
		{kindType, "Types", "A constructor checks its own arguments; what is inside of them is checked by the instruction that takes the value. The arguments that were given are attributes. Every type accepts and ignores `description`."},
	} {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n", section.title, section.text)
		for _, described := range Descriptors() {
			if described.Kind == section.kind {
				described.write(&out)
			}
		}
	}
	return out.String()
}

// write gives one builtin's part of the reference.
func (d Descriptor) write(out *strings.Builder) {
	fmt.Fprintf(out, "\n### %s\n\n```python\n%s\n```\n\n%s\n", d.qualified(), d.call(), d.Doc)
	if d.Returns != "" {
		fmt.Fprintf(out, "\nReturns: %s.\n", d.Returns)
	}
	var rows, former []string
	for _, p := range d.Parameters {
		switch {
		case p.Name == descriptionName:
		case p.Former != "":
			names := strings.Join(append([]string{p.Name}, p.Aliases...), "`, `")
			former = append(former, fmt.Sprintf("`%s` (%s)", names, p.Former))
		default:
			rows = append(rows, p.row())
		}
	}
	if len(rows) > 0 {
		out.WriteString("\n| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n" + strings.Join(rows, ""))
	}
	if len(former) > 0 {
		fmt.Fprintf(out, "\nEarlier versions also had %s.\n", strings.Join(former, ", "))
	}
}

// qualified is the name as a package's author sees it.
func (d Descriptor) qualified() string {
	if d.Kind == kindInstruction {
		return "plan." + d.Name
	}
	return d.Name
}

// call shows how a builtin is called, with its parameters in positional order.
func (d Descriptor) call() string {
	name := d.qualified()
	var parameters []string
	for _, p := range d.Parameters {
		switch {
		case p.Name == descriptionName, p.Former != "":
		case p.Required:
			parameters = append(parameters, p.Name)
		case p.Default == "":
			parameters = append(parameters, p.Name+" = None")
		default:
			parameters = append(parameters, p.Name+" = "+p.Default)
		}
	}
	line := name + "(" + strings.Join(parameters, ", ") + ")"
	if len(line) <= 100 {
		return line
	}
	return name + "(\n    " + strings.Join(parameters, ",\n    ") + ",\n)"
}

func (p ParameterDescriptor) row() string {
	fallback := "required"
	if !p.Required {
		fallback = ""
		if p.Default != "" {
			fallback = "`" + p.Default + "`"
		}
	}
	meaning := p.Doc
	if p.Extension {
		meaning += " Sundog's own, given by name."
	}
	if len(p.Aliases) > 0 {
		meaning += " Formerly `" + strings.Join(p.Aliases, "`, `") + "`."
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s |\n", p.Name, strings.ReplaceAll(p.Type, "|", `\|`), fallback, strings.ReplaceAll(meaning, "|", `\|`))
}

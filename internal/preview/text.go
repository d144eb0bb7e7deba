package preview

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes the document as indented JSON.
func (d *Document) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

// WriteText writes the document for a person: what is empty is left out.
func (d *Document) WriteText(w io.Writer) error {
	out := &text{w: w}
	out.line("Package %s", d.Package)
	out.table("Parameters", d.parameterRows())
	out.table("Instructions", d.instructionRows())
	out.table("Services", d.serviceRows())
	out.list("Files artifacts", d.Artifacts)
	out.list("Images", d.Images)
	out.table("Packages", d.packageRows())
	if d.Output != nil {
		encoded, err := json.MarshalIndent(d.Output, "  ", "  ")
		if err != nil {
			return fmt.Errorf("show the package's output: %w", err)
		}
		out.line("\nOutput\n  %s", encoded)
	}
	out.list("Warnings", d.Warnings)
	if out.err != nil {
		return fmt.Errorf("write the preview: %w", out.err)
	}
	return nil
}

func (d *Document) parameterRows() [][]string {
	var rows [][]string
	for _, parameter := range d.Parameters {
		value := "required"
		if !parameter.Required {
			encoded, err := json.Marshal(parameter.Default)
			if err != nil {
				encoded = []byte("?")
			}
			value = "= " + shorten(string(encoded))
		}
		rows = append(rows, []string{parameter.Name, orDash(parameter.Type), value, parameter.Doc})
	}
	return rows
}

func (d *Document) instructionRows() [][]string {
	var rows [][]string
	for i, instruction := range d.Instructions {
		rows = append(rows, []string{strconv.Itoa(i + 1), instruction.Name, instruction.Position, shorten(instruction.Description)})
	}
	return rows
}

func (d *Document) serviceRows() [][]string {
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(d.Services)) {
		service := d.Services[name]
		image := service.Image
		if service.Build != nil {
			image += " (built)"
		}
		var ports []string
		for _, id := range slices.Sorted(maps.Keys(service.Ports)) {
			port := service.Ports[id]
			shown := fmt.Sprintf("%s %d/%s", id, port.Number, port.TransportProtocol)
			if port.ApplicationProtocol != "" {
				shown += " " + port.ApplicationProtocol
			}
			ports = append(ports, shown)
		}
		rows = append(rows, []string{name, image, strings.Join(ports, ", ")})
	}
	return rows
}

func (d *Document) packageRows() [][]string {
	var rows [][]string
	for _, reference := range d.Packages {
		rows = append(rows, []string{reference.Locator, orDash(reference.Commit)})
	}
	return rows
}

// text writes until the first error and remembers that.
type text struct {
	w   io.Writer
	err error
}

func (t *text) line(format string, arguments ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", arguments...)
	}
}

func (t *text) list(title string, entries []string) {
	if len(entries) == 0 {
		return
	}
	t.line("\n%s", title)
	for _, entry := range entries {
		t.line("  %s", strings.ReplaceAll(entry, "\n", "\n    "))
	}
}

func (t *text) table(title string, rows [][]string) {
	if len(rows) == 0 || t.err != nil {
		return
	}
	t.line("\n%s", title)
	table := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(table, "  "+strings.Join(row, "\t")); err != nil {
			t.err = err
			return
		}
	}
	if err := table.Flush(); err != nil {
		t.err = err
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// shorten keeps one value from filling the terminal.
func shorten(text string) string {
	const most = 120
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

package forker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mermaidLimit is how many resources a diagram shows one by one; beyond it nobody can read it, and it shows kinds.
const mermaidLimit = 60

// Mermaid draws who refers to whom as a flowchart.
func (i *Inventory) Mermaid() string {
	node := func(key string) string { return key }
	if len(i.Resources) > mermaidLimit {
		node = func(key string) string {
			resource := i.Resources[key]
			return resource.Service + "/" + resource.Type
		}
	}
	members := map[string]map[string]int{}
	edges := map[[2]string]bool{}
	for _, key := range slices.Sorted(maps.Keys(i.Resources)) {
		resource := i.Resources[key]
		if members[resource.Service] == nil {
			members[resource.Service] = map[string]int{}
		}
		members[resource.Service][node(key)]++
		for _, reference := range resource.References {
			if _, known := i.Resources[reference]; known && node(key) != node(reference) {
				edges[[2]string{node(key), node(reference)}] = true
			}
		}
	}
	ids := map[string]string{}
	var text strings.Builder
	text.WriteString("flowchart LR\n")
	for _, service := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(&text, "  subgraph %s\n", service)
		for _, name := range slices.Sorted(maps.Keys(members[service])) {
			ids[name] = fmt.Sprintf("n%d", len(ids))
			label := strings.TrimPrefix(name, service+"/")
			if count := members[service][name]; len(i.Resources) > mermaidLimit {
				label = fmt.Sprintf("%s (%d)", label, count)
			}
			fmt.Fprintf(&text, "    %s[\"%s\"]\n", ids[name], strings.NewReplacer(`"`, "#quot;", "\n", " ").Replace(label))
		}
		text.WriteString("  end\n")
	}
	sorted := slices.SortedFunc(maps.Keys(edges), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for _, edge := range sorted {
		fmt.Fprintf(&text, "  %s --> %s\n", ids[edge[0]], ids[edge[1]])
	}
	return text.String()
}

// Markdown lists the resources by service, and what was not read.
func (i *Inventory) Markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "# Inventory of account %s\n\n%s\n", i.AccountID, count(len(i.Resources), "resource"))
	byService := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(i.Resources)) {
		byService[i.Resources[key].Service] = append(byService[i.Resources[key].Service], key)
	}
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		fmt.Fprintf(&text, "\n## %s\n\n| resource | region | refers to |\n| --- | --- | --- |\n", service)
		for _, key := range byService[service] {
			resource := i.Resources[key]
			references := make([]string, len(resource.References))
			for index, reference := range resource.References {
				references[index] = cell(reference)
			}
			fmt.Fprintf(&text, "| %s | %s | %s |\n", cell(key), resource.Region, strings.Join(references, ", "))
		}
	}
	if len(i.Uncovered) > 0 {
		text.WriteString("\n## Not covered\n\n")
		for _, gap := range i.Uncovered {
			fmt.Fprintf(&text, "- %s: %s\n", cell(gap.Subject), strings.ReplaceAll(gap.Reason, "\n", " "))
		}
	}
	return text.String()
}

func cell(text string) string {
	return "`" + strings.NewReplacer("|", `\|`, "`", "'").Replace(text) + "`"
}

func count(number int, noun string) string {
	if number == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", number, noun)
}

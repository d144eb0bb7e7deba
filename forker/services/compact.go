package services

import "github.com/sundog-dev/terraform-provider-sundog/forker/descriptor"

// compactTree turns an SDK value into a configuration tree without nulls and empty collections: fields that an SDK adds
// later then change no digest while nobody uses them.
func compactTree(value any) (any, error) {
	tree, err := descriptor.Tree(value)
	if err != nil {
		return nil, err
	}
	return compact(tree), nil
}

func compact(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, value := range tree {
			if value = compact(value); value != nil && value != "" {
				kept[name] = value
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		if len(tree) == 0 {
			return nil
		}
		kept := make([]any, len(tree))
		for i, value := range tree {
			kept[i] = compact(value)
		}
		return kept
	default:
		return tree
	}
}

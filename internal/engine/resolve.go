package engine

import (
	"errors"
	"fmt"
	"maps"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// resolveSpec resolves the runtime values of a service's spec, apart from those of its ready condition: that is resolved
// when it is asked for, as it may be about the service itself.
func resolveSpec(spec *plan.ServiceSpec, values plan.Values) (plan.ServiceSpec, error) {
	resolved := *spec
	var err error
	if resolved.Entrypoint, err = resolveTexts(spec.Entrypoint, values); err != nil {
		return resolved, fmt.Errorf("entry point: %w", err)
	}
	if resolved.Cmd, err = resolveTexts(spec.Cmd, values); err != nil {
		return resolved, fmt.Errorf("command: %w", err)
	}
	if resolved.Env, err = resolveMap(spec.Env, values); err != nil {
		return resolved, fmt.Errorf("environment: %w", err)
	}
	if resolved.VolatileEnv, err = resolveMap(spec.VolatileEnv, values); err != nil {
		return resolved, fmt.Errorf("environment: %w", err)
	}
	if resolved.Labels, err = resolveMap(spec.Labels, values); err != nil {
		return resolved, fmt.Errorf("labels: %w", err)
	}
	if resolved.NodeSelectors, err = resolveMap(spec.NodeSelectors, values); err != nil {
		return resolved, fmt.Errorf("node selectors: %w", err)
	}
	if resolved.Devices, err = resolveTexts(spec.Devices, values); err != nil {
		return resolved, fmt.Errorf("devices: %w", err)
	}
	if resolved.Capabilities, err = resolveTexts(spec.Capabilities, values); err != nil {
		return resolved, fmt.Errorf("capabilities: %w", err)
	}
	return resolved, nil
}

func resolveTexts(texts []string, values plan.Values) ([]string, error) {
	if texts == nil {
		return nil, nil
	}
	resolved := make([]string, len(texts))
	for i, text := range texts {
		var err error
		if resolved[i], err = plan.ResolveText(text, values); err != nil {
			return nil, err
		}
	}
	return resolved, nil
}

func resolveMap(texts map[string]string, values plan.Values) (map[string]string, error) {
	resolved := maps.Clone(texts)
	for _, key := range sortedKeys(texts) {
		var err error
		if resolved[key], err = plan.ResolveText(texts[key], values); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return resolved, nil
}

// resolveRecipe resolves the runtime values of a recipe.
func resolveRecipe(recipe plan.Recipe, values plan.Values) (plan.Recipe, error) {
	switch recipe := recipe.(type) {
	case *plan.ExecRecipe:
		resolved := *recipe
		var err error
		if resolved.Command, err = resolveTexts(recipe.Command, values); err != nil {
			return nil, err
		}
		resolved.Extract, err = resolveMap(recipe.Extract, values)
		return &resolved, err
	case *plan.HTTPRecipe:
		resolved := *recipe
		var err error
		if resolved.Endpoint, err = plan.ResolveText(recipe.Endpoint, values); err != nil {
			return nil, err
		}
		if resolved.Body, err = plan.ResolveText(recipe.Body, values); err != nil {
			return nil, err
		}
		if resolved.ContentType, err = plan.ResolveText(recipe.ContentType, values); err != nil {
			return nil, err
		}
		if resolved.Headers, err = resolveMap(recipe.Headers, values); err != nil {
			return nil, err
		}
		resolved.Extract, err = resolveMap(recipe.Extract, values)
		return &resolved, err
	case *plan.ExitRecipe:
		return recipe, nil
	default:
		return nil, errors.New("a recipe is missing")
	}
}

// resolveCondition resolves the target of a condition.
func resolveCondition(condition plan.Condition, values plan.Values) (plan.Condition, error) {
	var err error
	condition.Target, err = plan.ResolveAny(condition.Target, values, true)
	return condition, err
}

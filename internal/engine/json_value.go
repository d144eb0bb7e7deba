package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// fromJSON gives decoded JSON the types of runtime values: integers become int64 or *big.Int, other numbers float64.
func fromJSON(raw any) (any, error) {
	switch raw := raw.(type) {
	case json.Number:
		return fromNumber(string(raw))
	case []any:
		list := make([]any, len(raw))
		for i, element := range raw {
			var err error
			if list[i], err = fromJSON(element); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		dict := make(map[string]any, len(raw))
		for key, element := range raw {
			var err error
			if dict[key], err = fromJSON(element); err != nil {
				return nil, err
			}
		}
		return dict, nil
	default:
		return raw, nil
	}
}

func fromNumber(text string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		return strconv.ParseFloat(text, 64)
	}
	if value, err := strconv.ParseInt(text, 10, 64); err == nil {
		return value, nil
	}
	value, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return value, nil
}

// mapLeaves gives a copy of a JSON-like value in which change was applied to everything that is neither list nor dict.
func mapLeaves(value any, change func(leaf any) any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = mapLeaves(element, change)
		}
		return list
	case map[string]any:
		dict := make(map[string]any, len(value))
		for key, element := range value {
			dict[key] = mapLeaves(element, change)
		}
		return dict
	default:
		return change(value)
	}
}

// markFloats makes whole floats keep a decimal point in JSON.
func markFloats(value any) any {
	return mapLeaves(value, func(leaf any) any {
		float, ok := leaf.(float64)
		if !ok {
			return leaf
		}
		if math.IsInf(float, 0) || math.IsNaN(float) {
			return nil
		}
		text := strconv.FormatFloat(float, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.Number(text)
	})
}

package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"

	"github.com/itchyny/gojq"
)

// decodeJSON reads one JSON document; integers of any size stay exact.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var raw any
	if err := decoder.Decode(&raw); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	return fromJSON(raw)
}

// extract adds one field per jq expression. All see the same input.
func extract(ctx context.Context, fields map[string]any, expressions map[string]string, input any) error {
	for _, key := range sortedKeys(expressions) {
		value, err := extractOne(ctx, expressions[key], input)
		if err != nil {
			return fmt.Errorf("extract %q: %w", key, err)
		}
		fields[extractField+key] = value
	}
	return nil
}

func extractOne(ctx context.Context, expression string, input any) (any, error) {
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, fmt.Errorf("the jq expression %q is wrong: %w", expression, err)
	}
	// Without options there is neither $ENV nor input.
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, fmt.Errorf("the jq expression %q is wrong: %w", expression, err)
	}
	var values []any
	var failure error
	results := code.RunWithContext(ctx, toJQ(input))
	for {
		result, more := results.Next()
		if !more {
			break
		}
		if err, failed := result.(error); failed {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			failure = err
			continue
		}
		if result != nil {
			values = append(values, fromJQ(result))
		}
	}
	switch {
	case len(values) == 1:
		return values[0], nil
	case len(values) > 1:
		return values, nil
	case failure != nil:
		return nil, fmt.Errorf("the jq expression %q gives nothing: %w", expression, failure)
	default:
		return nil, fmt.Errorf("the jq expression %q gives nothing", expression)
	}
}

// toJQ gives values the types that jq works with.
func toJQ(value any) any {
	return mapLeaves(value, func(leaf any) any {
		number, ok := leaf.(int64)
		switch {
		case !ok:
			return leaf
		case number >= math.MinInt && number <= math.MaxInt:
			return int(number)
		default:
			return big.NewInt(number)
		}
	})
}

// nullText stands for a null inside of an extracted value, as package authors know it from upstream.
const nullText = "<nil>"

// fromJQ gives jq's results the types of runtime values: whole numbers become integers.
func fromJQ(value any) any { return mapLeaves(value, leafFromJQ) }

func leafFromJQ(value any) any {
	switch value := value.(type) {
	case nil:
		return nullText
	case int:
		return int64(value)
	case json.Number:
		// What jq parsed itself keeps the text of its numbers.
		return fromJQNumber(value)
	case *big.Int:
		if value.IsInt64() {
			return value.Int64()
		}
		return value
	case float64:
		return wholeNumber(value)
	default:
		return value
	}
}

func fromJQNumber(text json.Number) any {
	value, err := fromNumber(string(text))
	if err != nil {
		return string(text)
	}
	if float, ok := value.(float64); ok {
		return wholeNumber(float)
	}
	return value
}

func wholeNumber(value float64) any {
	if value != math.Trunc(value) || math.IsInf(value, 0) {
		return value
	}
	exact, _ := big.NewFloat(value).Int(nil)
	if exact.IsInt64() {
		return exact.Int64()
	}
	return exact
}

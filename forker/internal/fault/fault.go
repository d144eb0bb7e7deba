// Package fault lets tests stop an apply at any of its points, as a kill would.
package fault

import (
	"context"
	"errors"
)

// ErrStopped tells that a test stopped the work.
var ErrStopped = errors.New("stopped by a test")

type key struct{}

// With gives a context in which stop is asked at every point; an error of it stops the work there, without any tidying
// up.
func With(ctx context.Context, stop func(point string) error) context.Context {
	return context.WithValue(ctx, key{}, stop)
}

// Point is one place where a test may stop the work.
func Point(ctx context.Context, point string) error {
	stop, ok := ctx.Value(key{}).(func(string) error)
	if !ok {
		return nil
	}
	if err := stop(point); err != nil {
		return errors.Join(ErrStopped, err)
	}
	return nil
}

package enclave

import "context"

// progressKey is the key under which a context carries who is told of progress.
type progressKey struct{}

// WithProgress gives a context in which calls that take long tell, line by line, what they are doing. A backend need not
// tell anything; tell must not block, and may be called from several goroutines.
func WithProgress(ctx context.Context, tell func(line string)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// Progress gives whom to tell what a call is doing. It is never nil.
func Progress(ctx context.Context) func(line string) {
	if tell, ok := ctx.Value(progressKey{}).(func(line string)); ok {
		return tell
	}
	return func(string) {}
}

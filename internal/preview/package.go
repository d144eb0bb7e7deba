package preview

import (
	"context"

	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

// Package interprets a package, given by its folder or locator. The document is there even where that fails: it says why
// then, and what the package takes as far as that is known.
func Package(ctx context.Context, resolver *locator.Resolver, where, baseDir string, request language.Request) (*Document, error) {
	opened, err := resolver.Open(ctx, where, baseDir)
	if err != nil {
		return About(where, nil).Fail(err), err
	}
	made, err := language.Interpret(ctx, opened, request)
	if err == nil {
		return Of(made), nil
	}
	// The parameters may be unknown for the same reason; then the first error says all there is to say.
	parameters, parametersErr := language.Parameters(ctx, opened, request.MainFile, request.MainFunction)
	if parametersErr != nil {
		parameters = nil
	}
	return About(opened.Name, parameters).Fail(err), err
}

// Package diagnose turns errors of the engines into what a user reads: one summary form, the cause verbatim, and the
// remedy. It is the only place where that happens.
package diagnose

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// Subject is what could not be done to what; it makes the summary `Cannot <Verb> <Thing> "<Name>"`.
type Subject struct {
	Verb  string // create, read, update, delete, import, start, reach, interpret, clone, plan
	Thing string // "enclave", "package run", "fork", "package", "inventory"
	Name  string
	// Secrets are masked in the detail.
	Secrets value.Secrets
}

// Summary gives the diagnostic's one-line summary.
func (s Subject) Summary() string {
	if s.Name == "" {
		return fmt.Sprintf("Cannot %s %s", s.Verb, s.Thing)
	}
	return fmt.Sprintf("Cannot %s %s %q", s.Verb, s.Thing, s.Name)
}

// Error gives the diagnostic for an error.
func (s Subject) Error(err error) diag.Diagnostic {
	return diag.NewErrorDiagnostic(s.Summary(), s.Secrets.Mask(Detail(err)))
}

// At gives the diagnostic for an error that one attribute is the reason of.
func (s Subject) At(attribute path.Path, err error) diag.Diagnostic {
	return diag.NewAttributeErrorDiagnostic(attribute, s.Summary(), s.Secrets.Mask(Detail(err)))
}

// Warning gives a warning with the same summary form.
func Warning(summary, detail string) diag.Diagnostic {
	return diag.NewWarningDiagnostic(summary, detail)
}

// Bug tells that the provider itself is wrong.
func Bug(what string) diag.Diagnostic {
	return diag.NewErrorDiagnostic("Unexpected state of the provider",
		what+". This is a mistake in the Sundog provider: please report it at https://github.com/sundog-dev/terraform-provider-sundog with the configuration that led to it.")
}

// Detail gives an error's text and, where one is known, the remedy.
func Detail(err error) string {
	text := err.Error()
	if advice := remedy(err); advice != "" {
		text += "\n\n" + advice
	}
	return text
}

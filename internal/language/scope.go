package language

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// site is a place in a package: where a builtin was called.
type site struct {
	position plan.Position
	file     locator.File
}

// scope is what conversion of arguments needs to know: whose call it is, and where problems go.
type scope struct {
	in       *interpreter
	site     site
	problems []string
}

// problem reports what is wrong at a path such as ServiceConfig.ports["http"].number.
func (s *scope) problem(at, format string, arguments ...any) {
	s.problems = append(s.problems, at+": "+fmt.Sprintf(format, arguments...))
}

// bad tells whether anything was reported.
func (s *scope) bad() bool { return len(s.problems) > 0 }

// err is everything that was reported as one error, nil when nothing was.
func (s *scope) err(signature *signature) error {
	if len(s.problems) == 0 {
		return nil
	}
	return &argumentError{function: signature.qualified(), problems: s.problems}
}

// argumentError holds every bad argument of one call.
type argumentError struct {
	function string
	problems []string
}

func (e *argumentError) Error() string {
	return e.function + ": the following argument(s) could not be parsed or did not pass validation:\n  " + strings.Join(e.problems, "\n  ")
}

// bind assigns the arguments of a call to parameters. All that is wrong is reported to the scope.
func (s *signature) bind(sc *scope, positional starlark.Tuple, keywords []starlark.Tuple) *arguments {
	bound := &arguments{signature: s, values: make([]starlark.Value, len(s.parameters)), wrong: map[int]bool{}, scope: sc}
	if s.earlier != nil {
		positional, keywords = s.earlier.reorder(sc, s, positional, keywords)
	}
	if most := s.positional; len(positional) > most {
		sc.problem(fmt.Sprintf("argument %d", most+1), "%s takes at most %d positional arguments, %d were given", s.qualified(), most, len(positional))
		positional = positional[:most]
	}
	copy(bound.values, positional)
	for _, keyword := range keywords {
		name, _ := starlark.AsString(keyword[0])
		index, known := s.byName[name]
		switch {
		case !known:
			sc.problem(name, "unknown argument%s", didYouMean(name, s.names()))
			continue
		case bound.values[index] != nil:
			sc.problem(name, "given more than once")
			continue
		case s.parameters[index].Former != "":
			if keyword[1] != starlark.None {
				sc.in.deprecate(sc.site.position, fmt.Sprintf("%s: argument %q belongs to an earlier version of the language: %s", s.qualified(), name, s.parameters[index].Former))
			}
		case name != s.parameters[index].Name:
			sc.in.deprecate(sc.site.position, fmt.Sprintf("%s: argument %q is now called %q", s.qualified(), name, s.parameters[index].Name))
		}
		bound.values[index] = keyword[1]
	}
	if s.earlier != nil && s.earlier.complete != nil {
		s.earlier.complete(bound)
	}
	for i, p := range s.parameters {
		value := bound.values[i]
		if value == starlark.None && !p.Required && !p.keepsNone {
			bound.values[i], value = nil, nil
		}
		reason := ""
		switch {
		case value == nil && p.Required:
			reason = "is missing: it must be " + withArticle(p.Type)
		case value != nil:
			reason = p.check(value)
		}
		if reason != "" {
			bound.wrong[i] = true
			sc.problem(p.Name, "%s", reason)
		}
	}
	return bound
}

func didYouMean(name string, candidates []string) string {
	if best := nearest(name, candidates); best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}

func withArticle(noun string) string {
	if noun == "" || strings.HasPrefix(noun, "any") {
		return "given"
	}
	if strings.ContainsRune("aeiouAEIOI", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

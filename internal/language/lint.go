package language

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// Finding is something that is wrong in a file of a package, found without running it.
type Finding struct {
	Position plan.Position
	Message  string
}

// LintOptions say what is looked at.
type LintOptions struct {
	// MainFile and MainFunction name the package's function; empty means run in main.star.
	MainFile, MainFunction string
	// RequireDocstring wants a docstring that tells of every parameter of the package's function.
	RequireDocstring bool
}

// Lint looks at every Starlark file of a package without running any. Findings are sorted by place.
func Lint(ctx context.Context, pkg *locator.Package, options LintOptions) ([]Finding, error) {
	request := Request{MainFile: options.MainFile, MainFunction: options.MainFunction}.withDefaults()
	in := newInterpreter(ctx, pkg, request)
	if _, err := pkg.Main(request.MainFile); err != nil {
		return nil, err
	}
	names, err := pkg.StarlarkFiles(ctx)
	if err != nil {
		return nil, err
	}
	l := &linter{in: in, options: options}
	for _, name := range names {
		file, err := pkg.Main(name)
		if err != nil {
			return nil, err
		}
		if err := l.file(file, name == path.Clean(request.MainFile)); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		if order := strings.Compare(a.Position.File, b.Position.File); order != 0 {
			return order
		}
		if a.Position.Line != b.Position.Line {
			return a.Position.Line - b.Position.Line
		}
		return a.Position.Column - b.Position.Column
	})
	return l.findings, nil
}

// linter gathers findings.
type linter struct {
	in       *interpreter
	options  LintOptions
	findings []Finding
	current  locator.File
}

func (l *linter) found(position syntax.Position, format string, arguments ...any) {
	l.findings = append(l.findings, Finding{Position: toPosition(position), Message: fmt.Sprintf(format, arguments...)})
}

func (l *linter) file(file locator.File, isMain bool) error {
	source, err := file.Read()
	if err != nil {
		return err
	}
	name := file.String()
	l.current = file
	if err := checkSource(name, source); err != nil {
		if known, ok := errors.AsType[*Error](err); ok {
			l.findings = append(l.findings, Finding(known.Problems[0]))
			return nil
		}
		return err
	}
	parsed, err := dialect().Parse(name, source, 0)
	if err != nil {
		if wrong, ok := errors.AsType[syntax.Error](err); ok {
			l.found(wrong.Pos, "%s", wrong.Msg)
			return nil
		}
		return err
	}
	if _, err := starlark.FileProgram(parsed, l.in.predeclared.Has); err != nil {
		var unknown resolve.ErrorList
		if !errors.As(err, &unknown) {
			return err
		}
		for _, problem := range unknown {
			l.found(problem.Pos, "%s", problem.Msg)
		}
	}
	syntax.Walk(parsed, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.LoadStmt:
			l.found(node.Load, "load() does not exist in packages: use import_module")
		case *syntax.CallExpr:
			l.call(node)
		}
		return true
	})
	if isMain {
		l.entry(parsed)
	}
	return nil
}

// call checks a call of a builtin whose name stands there: keywords that it does not have, required ones that are
// missing, and constant relative locators that lead nowhere.
func (l *linter) call(call *syntax.CallExpr) {
	signature := l.called(call)
	if signature == nil {
		return
	}
	start, _ := call.Span()
	given, positional, open := map[string]bool{}, 0, false
	for _, argument := range call.Args {
		switch argument := argument.(type) {
		case *syntax.UnaryExpr: // *args, **kwargs
			open = open || argument.Op == syntax.STAR || argument.Op == syntax.STARSTAR
			positional++
		case *syntax.BinaryExpr:
			name, ok := argument.X.(*syntax.Ident)
			if argument.Op != syntax.EQ || !ok {
				positional++
				continue
			}
			given[name.Name] = true
			if _, known := signature.byName[name.Name]; !known {
				l.found(name.NamePos, "%s has no argument %q%s", signature.qualified(), name.Name, didYouMean(name.Name, signature.names()))
			}
		default:
			positional++
		}
	}
	if open {
		return
	}
	for i, parameter := range signature.parameters {
		names := append([]string{parameter.Name}, parameter.Aliases...)
		isGiven := i < positional || slices.ContainsFunc(names, func(name string) bool { return given[name] })
		if parameter.Required && !isGiven {
			l.found(start, "%s: the argument %q is missing", signature.qualified(), parameter.Name)
		}
	}
	l.locator(signature, call)
}

// called finds the builtin that a call names: a type or function, or plan.<instruction>.
func (l *linter) called(call *syntax.CallExpr) *signature {
	switch function := call.Fn.(type) {
	case *syntax.Ident:
		for _, b := range functions {
			if b.name == function.Name {
				return b.signature
			}
		}
		for _, t := range types {
			if t.name == function.Name {
				return t.signature
			}
		}
	case *syntax.DotExpr:
		receiver, ok := function.X.(*syntax.Ident)
		if !ok || receiver.Name != planParameter {
			return nil
		}
		for _, b := range instructions {
			if b.name == function.Name.Name {
				return b.signature
			}
		}
		if _, former := formerNames[function.Name.Name]; !former {
			var names []string
			for _, b := range instructions {
				names = append(names, b.name)
			}
			l.found(function.Name.NamePos, "plan has no instruction %q%s", function.Name.Name, didYouMean(function.Name.Name, names))
		}
	}
	return nil
}

// locator checks a constant relative locator, which needs no fetching.
func (l *linter) locator(signature *signature, call *syntax.CallExpr) {
	target, takesLocator := map[string]locator.Target{
		"import_module": locator.Module, "read_file": locator.Module, "upload_files": locator.Files,
	}[signature.name]
	if !takesLocator || len(call.Args) == 0 {
		return
	}
	first := call.Args[0]
	if binary, ok := first.(*syntax.BinaryExpr); ok && binary.Op == syntax.EQ {
		first = binary.Y
	}
	literal, ok := first.(*syntax.Literal)
	if !ok || literal.Token != syntax.STRING {
		return
	}
	text, _ := literal.Value.(string)
	if !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") && !strings.HasPrefix(text, "/") {
		return
	}
	if _, err := l.in.pkg.Resolve(l.in.ctx, l.current, text, target); err != nil {
		l.found(literal.TokenPos, "%v", err)
	}
}

// entry checks the package's function and its docstring.
func (l *linter) entry(parsed *syntax.File) {
	name := l.options.MainFunction
	if name == "" {
		name = defaultMainFunction
	}
	var function *syntax.DefStmt
	var others []string
	for _, statement := range parsed.Stmts {
		if def, ok := statement.(*syntax.DefStmt); ok {
			others = append(others, def.Name.Name)
			if def.Name.Name == name {
				function = def
			}
		}
	}
	if function == nil {
		l.findings = append(l.findings, Finding{
			Position: plan.Position{File: parsed.Path, Line: 1, Column: 1},
			Message:  fmt.Sprintf("there is no function %q%s", name, didYouMean(name, others)),
		})
		return
	}
	parameters := map[string]syntax.Position{}
	for i, parameter := range function.Params {
		ident := parameterName(parameter)
		if ident == nil || i == 0 && ident.Name == planParameter {
			continue
		}
		parameters[ident.Name] = ident.NamePos
	}
	documented := parseDocstring(docstringOf(function))
	for _, told := range slices.Sorted(maps.Keys(documented)) {
		if _, known := parameters[told]; !known && told != planParameter {
			l.found(function.Def, "the docstring tells of a parameter %q, which %s does not have%s", told, name, didYouMean(told, slices.Sorted(maps.Keys(parameters))))
		}
	}
	if !l.options.RequireDocstring {
		return
	}
	if docstringOf(function) == "" {
		l.found(function.Def, "%s has no docstring: tell what the package does, and its parameters in a section \"Args:\"", name)
		return
	}
	for _, parameter := range slices.Sorted(maps.Keys(parameters)) {
		if _, told := documented[parameter]; !told {
			l.found(parameters[parameter], "the docstring does not tell of the parameter %q", parameter)
		}
	}
}

// parameterName gives the name in a parameter's declaration; nil for * and **.
func parameterName(parameter syntax.Expr) *syntax.Ident {
	switch parameter := parameter.(type) {
	case *syntax.Ident:
		return parameter
	case *syntax.BinaryExpr:
		ident, _ := parameter.X.(*syntax.Ident)
		return ident
	}
	return nil
}

func docstringOf(function *syntax.DefStmt) string {
	if len(function.Body) == 0 {
		return ""
	}
	statement, ok := function.Body[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	literal, ok := statement.X.(*syntax.Literal)
	if !ok || literal.Token != syntax.STRING {
		return ""
	}
	text, _ := literal.Value.(string)
	return text
}

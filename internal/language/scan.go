package language

import (
	"context"
	"strings"

	"go.starlark.net/syntax"

	"github.com/sundog-dev/terraform-provider-sundog/internal/locator"
)

// Scan follows the locators that stand in a package's files as constants, whether or not an interpretation would get to
// them: afterwards pkg.Used tells also what branches need that were not taken. It looks at every Starlark file of the root
// package, and at those of other packages that were imported or are named by a constant. Nothing is run. What leads
// nowhere is told and stops nothing, since it may stand in a file that nobody runs.
func Scan(ctx context.Context, pkg *locator.Package) ([]Problem, error) {
	sources, err := pkg.Sources(ctx)
	if err != nil {
		return nil, err
	}
	s := &scanner{ctx: ctx, pkg: pkg, seen: map[locator.File]bool{}}
	for _, file := range sources {
		s.add(file)
	}
	for len(s.queue) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		file := s.queue[0]
		s.queue = s.queue[1:]
		s.file(file)
	}
	return s.problems, nil
}

type scanner struct {
	ctx      context.Context //nolint:containedctx // the scan lives no longer than the call it belongs to
	pkg      *locator.Package
	seen     map[locator.File]bool
	queue    []locator.File
	problems []Problem
}

func (s *scanner) add(file locator.File) {
	if !s.seen[file] {
		s.seen[file] = true
		s.queue = append(s.queue, file)
	}
}

func (s *scanner) file(file locator.File) {
	name := file.String()
	source, err := file.Read()
	if err == nil {
		err = checkSource(name, source)
	}
	var parsed *syntax.File
	if err == nil {
		parsed, err = dialect().Parse(name, source, 0)
	}
	if err != nil {
		// An interpretation that gets here says what is wrong; one that does not has no use for the file.
		return
	}
	constants := constantsOf(parsed)
	syntax.Walk(parsed, func(node syntax.Node) bool {
		if made, ok := node.(*syntax.CallExpr); ok {
			s.call(file, made, constants)
		}
		return true
	})
}

// constantsOf gives the strings that names stand for at the top level of a file.
func constantsOf(file *syntax.File) map[string]string {
	constants := map[string]string{}
	for _, statement := range file.Stmts {
		assignment, ok := statement.(*syntax.AssignStmt)
		if !ok || assignment.Op != syntax.EQ {
			continue
		}
		name, isName := assignment.LHS.(*syntax.Ident)
		if value, ok := constant(assignment.RHS, constants); ok && isName {
			constants[name.Name] = value
		}
	}
	return constants
}

// constant gives the string that an expression always is: a literal, a name of one, or a sum of those.
func constant(expression syntax.Expr, constants map[string]string) (string, bool) {
	switch expression := expression.(type) {
	case *syntax.Literal:
		text, ok := expression.Value.(string)
		return text, ok && expression.Token == syntax.STRING
	case *syntax.Ident:
		text, ok := constants[expression.Name]
		return text, ok
	case *syntax.ParenExpr:
		return constant(expression.X, constants)
	case *syntax.BinaryExpr:
		left, ok := constant(expression.X, constants)
		right, alsoOK := constant(expression.Y, constants)
		return left + right, ok && alsoOK && expression.Op == syntax.PLUS
	}
	return "", false
}

// locatorParameters names the parameter that holds the locator, which is also the first by position, unless positional is
// false.
var locatorParameters = map[string]struct {
	name       string
	positional bool
	target     locator.Target
}{
	"import_module":  {"module_file", true, locator.Module},
	"read_file":      {"src", true, locator.Module},
	"upload_files":   {"src", true, locator.Files},
	"ImageBuildSpec": {"build_context_dir", false, locator.Files},
	"NixBuildSpec":   {"build_context_dir", false, locator.Files},
}

func (s *scanner) call(file locator.File, made *syntax.CallExpr, constants map[string]string) {
	var name string
	switch function := made.Fn.(type) {
	case *syntax.Ident:
		name = function.Name
	case *syntax.DotExpr:
		name = function.Name.Name
	}
	parameter, ok := locatorParameters[name]
	if !ok {
		return
	}
	var argument syntax.Expr
	for i, given := range made.Args {
		pair, isPair := given.(*syntax.BinaryExpr)
		switch {
		case isPair && pair.Op == syntax.EQ:
			if key, ok := pair.X.(*syntax.Ident); ok && key.Name == parameter.name {
				argument = pair.Y
			}
		case i == 0 && parameter.positional:
			argument = given
		}
	}
	if argument == nil {
		return
	}
	text, ok := constant(argument, constants)
	if !ok {
		return
	}
	if err := s.follow(file, name, text, parameter.target); err != nil {
		start, _ := argument.Span()
		s.problems = append(s.problems, Problem{Position: toPosition(start), Message: err.Error()})
	}
}

func (s *scanner) follow(file locator.File, function, text string, target locator.Target) error {
	if function == "upload_files" && locator.IsURL(text) {
		_, err := s.pkg.Download(s.ctx, text)
		return err
	}
	if target == locator.Files && !locator.CanBeRemote(text) {
		// Such a path counts from the file that makes the call, and needs nothing from elsewhere.
		return nil
	}
	found, err := s.pkg.Resolve(s.ctx, file, text, target)
	if err == nil && function == "import_module" && !found.IsDir() && strings.HasSuffix(found.Base(), ".star") {
		s.add(found)
	}
	return err
}

package language

import (
	"go.starlark.net/syntax"
)

// A single operator or method of Starlark can ask for more memory than the machine has: "a" * n, s.replace(), "%s" % x.
// The interpreter counts steps and cannot look into one. So before a file is compiled, those operations are replaced in
// its syntax tree by calls of guards that look at the operands first. Guards have names that no source can spell.
const (
	guardTimes   = "operator *"
	guardPercent = "operator %"
	guardMethod  = "method guard"
)

// guardedMethods are the methods whose result can be much larger than what they are given.
var guardedMethods = map[string]bool{
	"codepoint_ords": true, "codepoints": true, "elem_ords": true, "elems": true, "format": true, "join": true,
	"replace": true, "rsplit": true, "split": true, "splitlines": true, "title": true, "upper": true, "lower": true,
}

// guardSource puts the guards into a parsed file, in place.
func guardSource(file *syntax.File) { guardStatements(file.Stmts) }

func guardStatements(statements []syntax.Stmt) {
	for _, statement := range statements {
		switch statement := statement.(type) {
		case *syntax.AssignStmt:
			guardAssignment(statement)
		case *syntax.DefStmt:
			guardParameters(statement.Params)
			guardStatements(statement.Body)
		case *syntax.ExprStmt:
			statement.X = guardExpression(statement.X)
		case *syntax.ForStmt:
			statement.X = guardExpression(statement.X)
			guardStatements(statement.Body)
		case *syntax.WhileStmt:
			statement.Cond = guardExpression(statement.Cond)
			guardStatements(statement.Body)
		case *syntax.IfStmt:
			statement.Cond = guardExpression(statement.Cond)
			guardStatements(statement.True)
			guardStatements(statement.False)
		case *syntax.ReturnStmt:
			statement.Result = guardExpression(statement.Result)
		}
	}
}

// guardAssignment turns x *= y into x = x * y where reading x twice changes nothing.
func guardAssignment(statement *syntax.AssignStmt) {
	statement.RHS = guardExpression(statement.RHS)
	operators := map[syntax.Token]syntax.Token{syntax.STAR_EQ: syntax.STAR, syntax.PERCENT_EQ: syntax.PERCENT}
	operator, guarded := operators[statement.Op]
	if !guarded {
		return
	}
	read, ok := pureCopy(statement.LHS)
	if !ok {
		return
	}
	statement.Op = syntax.EQ
	statement.RHS = guardExpression(&syntax.BinaryExpr{X: read, OpPos: statement.OpPos, Op: operator, Y: statement.RHS})
}

// pureCopy copies an expression that has no side effect.
func pureCopy(expression syntax.Expr) (syntax.Expr, bool) {
	switch expression := expression.(type) {
	case *syntax.Ident:
		return &syntax.Ident{NamePos: expression.NamePos, Name: expression.Name}, true
	case *syntax.Literal:
		copied := *expression
		return &copied, true
	case *syntax.ParenExpr:
		return pureCopy(expression.X)
	case *syntax.IndexExpr:
		x, okX := pureCopy(expression.X)
		y, okY := pureCopy(expression.Y)
		return &syntax.IndexExpr{X: x, Lbrack: expression.Lbrack, Y: y, Rbrack: expression.Rbrack}, okX && okY
	}
	return nil, false
}

func guardParameters(parameters []syntax.Expr) {
	for _, parameter := range parameters {
		if binary, ok := parameter.(*syntax.BinaryExpr); ok {
			binary.Y = guardExpression(binary.Y)
		}
	}
}

func guardAll(expressions []syntax.Expr) {
	for i := range expressions {
		expressions[i] = guardExpression(expressions[i])
	}
}

func guardExpression(expression syntax.Expr) syntax.Expr {
	switch expression := expression.(type) {
	case *syntax.BinaryExpr:
		return guardBinary(expression)
	case *syntax.CallExpr:
		expression.Fn = guardExpression(expression.Fn)
		guardAll(expression.Args)
	case *syntax.Comprehension:
		expression.Body = guardExpression(expression.Body)
		for _, clause := range expression.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				clause.X = guardExpression(clause.X)
			case *syntax.IfClause:
				clause.Cond = guardExpression(clause.Cond)
			}
		}
	case *syntax.CondExpr:
		expression.Cond = guardExpression(expression.Cond)
		expression.True = guardExpression(expression.True)
		expression.False = guardExpression(expression.False)
	case *syntax.DictEntry:
		expression.Key = guardExpression(expression.Key)
		expression.Value = guardExpression(expression.Value)
	case *syntax.DictExpr:
		guardAll(expression.List)
	case *syntax.DotExpr:
		expression.X = guardExpression(expression.X)
		if guardedMethods[expression.Name.Name] {
			return guardCall(guardMethod, expression.Dot, expression)
		}
	case *syntax.IndexExpr:
		expression.X = guardExpression(expression.X)
		expression.Y = guardExpression(expression.Y)
	case *syntax.LambdaExpr:
		guardParameters(expression.Params)
		expression.Body = guardExpression(expression.Body)
	case *syntax.ListExpr:
		guardAll(expression.List)
	case *syntax.ParenExpr:
		expression.X = guardExpression(expression.X)
	case *syntax.SliceExpr:
		expression.X = guardExpression(expression.X)
		expression.Lo = guardExpression(expression.Lo)
		expression.Hi = guardExpression(expression.Hi)
		expression.Step = guardExpression(expression.Step)
	case *syntax.TupleExpr:
		guardAll(expression.List)
	case *syntax.UnaryExpr:
		expression.X = guardExpression(expression.X)
	}
	return expression
}

func guardBinary(expression *syntax.BinaryExpr) syntax.Expr {
	expression.Y = guardExpression(expression.Y)
	if expression.Op == syntax.EQ {
		return expression // name=value in a call: the name is no expression
	}
	expression.X = guardExpression(expression.X)
	switch expression.Op {
	case syntax.STAR:
		return guardCall(guardTimes, expression.OpPos, expression.X, expression.Y)
	case syntax.PERCENT:
		return guardCall(guardPercent, expression.OpPos, expression.X, expression.Y)
	}
	return expression
}

func guardCall(name string, position syntax.Position, operands ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{
		Fn: &syntax.Ident{NamePos: position, Name: name}, Lparen: position, Args: operands, Rparen: position,
	}
}

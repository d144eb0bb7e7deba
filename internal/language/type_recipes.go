package language

import (
	"maps"
	"regexp"
	"slices"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// extractKey is what the key of an extract must look like, or nobody could refer to the result.
var extractKey = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

func newExtract() *param[map[string]string] {
	k := textDict
	convert := k.convert
	k.convert = func(s *scope, at string, value starlark.Value) map[string]string {
		converted := convert(s, at, value)
		for key := range converted {
			if !extractKey.MatchString(key) {
				s.in.warn(s.site.position, at+": the key "+shorten(key)+" holds characters that no runtime value has: its result cannot be referred to")
			}
		}
		return converted
	}
	return optional("extract", k, nil, "{}", "jq expressions by key: what each gives from the answer is the field extract.<key> of the result.")
}

// execRecipeBuiltin is the type ExecRecipe with its parameters.
type execRecipeBuiltin struct {
	*typeBuiltin
	command *param[[]string]
	extract *param[map[string]string]
	service *param[string]
}

var execRecipeType = newExecRecipeType()

func newExecRecipeType() *execRecipeBuiltin {
	t := &execRecipeBuiltin{
		command: required("command", textList, "Command and arguments, run without a shell. May hold runtime values."),
		extract: newExtract(),
		service: newRecipeService(),
	}
	t.typeBuiltin = newType("ExecRecipe", "A command to run inside a service.", t.command, t.extract, t.service)
	return t
}

var execRecipe = typedKind(execRecipeType.typeBuiltin, func(a *arguments, _ *typed) *plan.ExecRecipe {
	recipe := &plan.ExecRecipe{Command: execRecipeType.command.of(a), Extract: execRecipeType.extract.of(a)}
	if starlark.Len(execRecipeType.command.raw(a)) == 0 {
		a.scope.problem(a.path("command"), "is empty: it must name a program")
	}
	return recipe
})

// httpRecipeBuiltin is one of the types GetHttpRequestRecipe and PostHttpRequestRecipe with its parameters.
type httpRecipeBuiltin struct {
	*typeBuiltin
	service     *param[string]
	port        *param[string]
	endpoint    *param[string]
	body        *param[string]
	contentType *param[string]
	extract     *param[map[string]string]
	headers     *param[map[string]string]
}

var (
	getRecipeType  = newGetRecipeType()
	postRecipeType = newPostRecipeType()
)

func newHTTPRecipe() *httpRecipeBuiltin {
	return &httpRecipeBuiltin{
		service:  newRecipeService(),
		port:     required("port_id", text, "Id of the service's port."),
		endpoint: required("endpoint", anyText, "Path and query, appended to http://address:port as it is. May hold runtime values."),
		extract:  newExtract(),
		headers:  optional("headers", textDict, nil, "{}", "Headers of the request. Values may hold runtime values."),
	}
}

func newGetRecipeType() *httpRecipeBuiltin {
	t := newHTTPRecipe()
	t.typeBuiltin = newType("GetHttpRequestRecipe", "An HTTP GET request to a service.", t.port, t.endpoint, t.extract, t.headers, t.service)
	t.method = "GET"
	return t
}

func newPostRecipeType() *httpRecipeBuiltin {
	t := newHTTPRecipe()
	t.body = optional("body", anyText, "", `""`, "Body of the request. May hold runtime values.")
	t.contentType = optional("content_type", anyText, "application/json", `"application/json"`, "Content type of the body; wins over a header of that name.")
	t.typeBuiltin = newType("PostHttpRequestRecipe", "An HTTP POST request to a service.", t.port, t.endpoint, t.body, t.contentType, t.extract, t.headers, t.service)
	t.method = "POST"
	return t
}

func (t *httpRecipeBuiltin) recipe(a *arguments, _ *typed) *plan.HTTPRecipe {
	recipe := &plan.HTTPRecipe{
		Method: t.method, PortID: t.port.of(a), Endpoint: t.endpoint.of(a), Headers: t.headers.of(a), Extract: t.extract.of(a),
	}
	if t.body != nil {
		recipe.Body, recipe.ContentType = t.body.of(a), t.contentType.of(a)
	}
	return recipe
}

var httpRecipe = union("GetHttpRequestRecipe | PostHttpRequestRecipe",
	typedKind(getRecipeType.typeBuiltin, getRecipeType.recipe),
	typedKind(postRecipeType.typeBuiltin, postRecipeType.recipe),
)

// exitRecipeType is Sundog's own: upstream cannot wait for a process to do its work and end.
var exitRecipeType = newType("ExitRecipe", "How the service's process ended: the field is code. There is no answer before it has ended, and as the answer is final, one that does not fulfil the assertion is a failure at once. Only for plan.wait and ReadyCondition.")

var exitRecipe = typedKind(exitRecipeType, func(*arguments, *typed) *plan.ExitRecipe { return &plan.ExitRecipe{} })

// recipe is any of the four.
var recipe = union("ExecRecipe | GetHttpRequestRecipe | PostHttpRequestRecipe | ExitRecipe",
	widen(execRecipe), widen(httpRecipe), widen(exitRecipe),
)

// widen makes a kind of recipe one of recipes in general.
func widen[T plan.Recipe](narrow kind[T]) kind[plan.Recipe] {
	return kind[plan.Recipe]{
		name: narrow.name, check: narrow.check,
		convert: func(s *scope, at string, value starlark.Value) plan.Recipe { return narrow.convert(s, at, value) },
	}
}

// recipeFields lists what the result of a recipe holds: name and extracts, sorted.
func recipeFields(recipe plan.Recipe) []string {
	switch recipe := recipe.(type) {
	case *plan.ExecRecipe:
		return append([]string{fieldCode, fieldOutput}, extractFields(recipe.Extract)...)
	case *plan.HTTPRecipe:
		return append([]string{fieldCode, fieldBody}, extractFields(recipe.Extract)...)
	case *plan.ExitRecipe:
		return []string{fieldCode}
	}
	return nil
}

// resultOf is the dictionary of runtime values that an instruction gives back.
func resultOf(producer string, fields []string) *starlark.Dict {
	result := starlark.NewDict(len(fields))
	for _, field := range fields {
		value := plan.RuntimeValue{Producer: producer, Field: field}.String()
		_ = result.SetKey(starlark.String(field), starlark.String(value)) // a fresh dictionary takes strings
	}
	return result
}

func extractFields(extract map[string]string) []string {
	fields := make([]string, 0, len(extract))
	for _, key := range slices.Sorted(maps.Keys(extract)) {
		fields = append(fields, extractPrefix+key)
	}
	return fields
}

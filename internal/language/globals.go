package language

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// functions are the global functions that the reference lists with descriptors.
var functions = []*builtin{newImportModule(), newReadFile(), newPrintGlobal()}

// instructions are the functions of plan, in the reference's order.
var instructions = []*builtin{
	newAddService(), newAddServices(), newGetService(), newGetServices(), newSetService(), newRemoveService(),
	newStartService(), newStopService(), newExec(), newRequest(), newWait(), newVerify(), newPrint(),
	newRenderTemplates(), newUploadFiles(), newStoreServiceFiles(), newGetFilesArtifact(),
	newRunSh(), newRunPython(), newGetClusterType(),
}

// types are the language's type constructors, in the reference's order.
var types = []*typeBuiltin{
	serviceConfigType.typeBuiltin, portSpecType.typeBuiltin, readyConditionType.typeBuiltin,
	execRecipeType.typeBuiltin, getRecipeType.typeBuiltin, postRecipeType.typeBuiltin, exitRecipeType,
	imageSpecType.typeBuiltin, imageBuildSpecType.typeBuiltin, nixBuildSpecType.typeBuiltin,
	directoryType.typeBuiltin, storeSpecType.typeBuiltin, userType.typeBuiltin, tolerationType.typeBuiltin,
	gpuConfigType.typeBuiltin, serviceType.typeBuiltin,
}

// formerNames are instructions that earlier versions of the language called otherwise.
var formerNames = map[string]string{"assert": "verify", "store_files_from_service": "store_service_files"}

// globals is what every file of a package sees besides Starlark's own universe.
func (in *interpreter) globals() starlark.StringDict {
	globals := starlark.StringDict{
		"struct":   starlark.NewBuiltin("struct", starlarkstruct.Make),
		"json":     in.jsonModule(),
		"time":     timeModule(),
		"kurtosis": &starlarkstruct.Module{Name: "kurtosis", Members: starlark.StringDict{}},
	}
	for _, b := range functions {
		globals[b.name] = in.starlarkFunction(b.name, b.call)
	}
	for _, t := range types {
		globals[t.name] = in.starlarkFunction(t.name, t.construct)
	}
	in.addGuards(globals)
	return globals
}

// plan is the value that the entry function gets.
func (in *interpreter) plan() starlark.Value {
	members := starlark.StringDict{}
	for _, b := range instructions {
		members[b.name] = in.starlarkFunction(b.name, b.call)
	}
	for former, now := range formerNames {
		members[former] = in.starlarkFunction(former, func(in *interpreter, thread *starlark.Thread, positional starlark.Tuple, keywords []starlark.Tuple) (starlark.Value, error) {
			in.deprecate(in.site(thread).position, "plan."+former+" is now called plan."+now)
			return starlark.Call(thread, members[now], positional, keywords)
		})
	}
	return starlarkstruct.FromStringDict(starlark.String("plan"), members)
}

package packagedata

import (
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/preview"
	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

func parameterType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"name": types.StringType, "type": types.StringType, "default_json": types.StringType, "required": types.BoolType,
		"description": types.StringType,
	}}
}

func portType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"number": types.Int64Type, "transport_protocol": types.StringType, "application_protocol": types.StringType,
	}}
}

func buildType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"context_digest": types.StringType, "build_file": types.StringType, "target_stage": types.StringType,
		"build_args": types.MapType{ElemType: types.StringType},
	}}
}

func mountType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"artifact_names": types.ListType{ElemType: types.StringType}, "persistent_key": types.StringType,
	}}
}

func serviceType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"image": types.StringType, "build": buildType(), "ports": types.MapType{ElemType: portType()},
		"entrypoint": types.ListType{ElemType: types.StringType}, "cmd": types.ListType{ElemType: types.StringType},
		"env_vars": types.MapType{ElemType: types.StringType}, "files": types.MapType{ElemType: mountType()},
	}}
}

func instructionType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{
		"name": types.StringType, "position": types.StringType, "description": types.StringType, "arguments_json": types.StringType,
	}}
}

func referenceType() types.ObjectType {
	return types.ObjectType{AttrTypes: map[string]attr.Type{"locator": types.StringType, "commit": types.StringType}}
}

func serviceValue(service preview.Service) attr.Value {
	ports := map[string]attr.Value{}
	for id, port := range service.Ports {
		ports[id] = types.ObjectValueMust(portType().AttrTypes, map[string]attr.Value{
			"number": types.Int64Value(int64(port.Number)), "transport_protocol": types.StringValue(port.TransportProtocol),
			"application_protocol": value.StringOrNull(port.ApplicationProtocol),
		})
	}
	files := map[string]attr.Value{}
	for at, mount := range service.Files {
		files[at] = types.ObjectValueMust(mountType().AttrTypes, map[string]attr.Value{
			"artifact_names": stringList(mount.ArtifactNames), "persistent_key": value.StringOrNull(mount.PersistentKey),
		})
	}
	build := types.ObjectNull(buildType().AttrTypes)
	if service.Build != nil {
		build = types.ObjectValueMust(buildType().AttrTypes, map[string]attr.Value{
			"context_digest": types.StringValue(service.Build.ContextDigest), "build_file": types.StringValue(service.Build.BuildFile),
			"target_stage": value.StringOrNull(service.Build.TargetStage), "build_args": value.StringMap(service.Build.BuildArgs),
		})
	}
	return types.ObjectValueMust(serviceType().AttrTypes, map[string]attr.Value{
		"image": types.StringValue(service.Image), "build": build, "ports": types.MapValueMust(portType(), ports),
		"entrypoint": stringList(service.Entrypoint), "cmd": stringList(service.Cmd),
		"env_vars": value.StringMap(service.EnvVars), "files": types.MapValueMust(mountType(), files),
	})
}

func stringList(texts []string) types.List {
	elements := make([]attr.Value, len(texts))
	for i, text := range texts {
		elements[i] = types.StringValue(text)
	}
	return types.ListValueMust(types.StringType, elements)
}

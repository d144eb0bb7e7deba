package language

import (
	"math"

	"go.starlark.net/starlark"

	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// storeSpecBuiltin is the type StoreSpec with its parameters.
type storeSpecBuiltin struct {
	*typeBuiltin
	source, artifact *param[string]
}

var storeSpecType = newStoreSpecType()

func newStoreSpecType() *storeSpecBuiltin {
	t := &storeSpecBuiltin{
		source:   required("src", text, "Path in the task's container; a directory stores its contents. May hold runtime values."),
		artifact: unset("name", newArtifactIdentity, "Name of the files artifact; derived when left out."),
	}
	t.typeBuiltin = newType("StoreSpec", "A path of a task that becomes a files artifact.", t.source, t.artifact)
	return t
}

// store is an element of run_sh's and run_python's store.
var store = union("string | StoreSpec",
	kind[plan.StoreSpec]{
		name: "string", check: text.check,
		convert: func(s *scope, at string, value starlark.Value) plan.StoreSpec {
			return plan.StoreSpec{Source: text.convert(s, at, value)}
		},
	},
	typedKind(storeSpecType.typeBuiltin, func(a *arguments, _ *typed) plan.StoreSpec {
		return plan.StoreSpec{Source: storeSpecType.source.of(a), Artifact: storeSpecType.artifact.of(a)}
	}),
)

// userBuiltin is the type User with its parameters.
type userBuiltin struct {
	*typeBuiltin
	uid, gid *param[int64]
}

var userType = newUserType()

func newUserType() *userBuiltin {
	t := &userBuiltin{
		uid: required("uid", integer(0, math.MaxUint32), "User id."),
		gid: unset("gid", integer(0, math.MaxUint32), "Group id; the user's own group when left out."),
	}
	t.typeBuiltin = newType("User", "The user that a service's process runs as.", t.uid, t.gid)
	return t
}

var user = typedKind(userType.typeBuiltin, func(a *arguments, _ *typed) *plan.User {
	made := &plan.User{UID: userType.uid.of(a)}
	if userType.gid.given(a) {
		gid := userType.gid.of(a)
		made.GID = &gid
	}
	return made
})

// tolerationBuiltin is the type Toleration with its parameters.
type tolerationBuiltin struct {
	*typeBuiltin
	key, operator, value, effect *param[string]
	seconds                      *param[int64]
}

var tolerationType = newTolerationType()

func newTolerationType() *tolerationBuiltin {
	t := &tolerationBuiltin{
		key:      unset("key", anyText, "Key of the taint."),
		operator: unset("operator", oneOf("Exists", "Equal"), "Exists or Equal."),
		value:    unset("value", anyText, "Value of the taint; not together with Exists."),
		effect:   unset("effect", oneOf("NoSchedule", "NoExecute", "PreferNoSchedule"), "NoSchedule, NoExecute or PreferNoSchedule."),
		seconds:  unset("toleration_seconds", anyInteger, "How long a NoExecute taint is tolerated, in seconds."),
	}
	t.typeBuiltin = newType("Toleration", "A Kubernetes toleration; without meaning on Docker.", t.key, t.operator, t.value, t.effect, t.seconds)
	return t
}

var toleration = typedKind(tolerationType.typeBuiltin, func(a *arguments, _ *typed) plan.Toleration {
	t := tolerationType
	made := plan.Toleration{Key: t.key.of(a), Operator: t.operator.of(a), Value: t.value.of(a), Effect: t.effect.of(a)}
	if t.seconds.given(a) {
		seconds := t.seconds.of(a)
		made.Seconds = &seconds
	}
	if made.Key == "" && made.Operator != "Exists" {
		a.scope.problem(a.prefix, "needs a key, or the operator \"Exists\"")
	}
	if made.Operator == "Exists" && made.Value != "" {
		a.scope.problem(a.path("value"), "must be left out with the operator \"Exists\"")
	}
	return made
})

// The drivers of graphics processors, where the package names none.
const (
	defaultDockerDriver     = "nvidia"
	defaultKubernetesDriver = "nvidia.com/gpu"
)

// gpuDriver is a driver's name, or names by backend.
var gpuDriver = kind[starlark.Value]{
	name: "string | dict[string, string]",
	check: func(value starlark.Value) string {
		switch value.(type) {
		case starlark.String, *starlark.Dict:
			return ""
		}
		return mustBe("string | dict[string, string]", value)
	},
	convert: func(_ *scope, _ string, value starlark.Value) starlark.Value { return value },
}

// gpuConfigBuiltin is the type GpuConfig with its parameters.
type gpuConfigBuiltin struct {
	*typeBuiltin
	count, memory *param[int64]
	devices       *param[[]string]
	ulimits       *param[map[string]int64]
	driver        *param[starlark.Value]
}

var gpuConfigType = newGpuConfigType()

func newGpuConfigType() *gpuConfigBuiltin {
	t := &gpuConfigBuiltin{
		count:   unset("count", integer(-1, math.MaxInt64), "Number of graphics processors; -1 means all."),
		devices: unset("device_ids", textList, "Ids of the graphics processors."),
		memory:  unset("shm_size", integer(0, math.MaxInt64), "Size of the shared memory in megabytes."),
		ulimits: optional("ulimits", dictOf(anyInteger), nil, "{}", "Limits of the process by name; -1 means unlimited."),
		driver:  unset("driver", gpuDriver, "Driver on Docker, from which the resource's name on Kubernetes derives; or a dictionary with the keys docker and kubernetes."),
	}
	t.typeBuiltin = newType("GpuConfig", "Graphics processors, shared memory and process limits of a service.", t.count, t.devices, t.memory, t.ulimits, t.driver)
	return t
}

var gpu = typedKind(gpuConfigType.typeBuiltin, func(a *arguments, _ *typed) *plan.GPU {
	t := gpuConfigType
	made := &plan.GPU{
		Count: t.count.of(a), DeviceIDs: t.devices.of(a), SharedMemoryMB: t.memory.of(a), Ulimits: t.ulimits.of(a),
		DockerDriver: defaultDockerDriver, KubernetesDriver: defaultKubernetesDriver,
	}
	switch driver := t.driver.of(a).(type) {
	case nil:
	case starlark.String:
		made.DockerDriver, made.KubernetesDriver = string(driver), string(driver)+".com/gpu"
	case *starlark.Dict:
		for key, value := range textDict.convert(a.scope, a.path("driver"), driver) {
			switch key {
			case "docker":
				made.DockerDriver = value
			case "kubernetes":
				made.KubernetesDriver = value
			default:
				a.scope.problem(a.path("driver"), "unknown key %q%s", key, didYouMean(key, []string{"docker", "kubernetes"}))
			}
		}
	}
	return made
})

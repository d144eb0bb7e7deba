package language

import (
	"testing"
)

const configPrefix = `add_service {"Services":[{`

func TestServiceConfig(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"everything", `
plan.upload_files("./kurtosis.yml", name="conf")
plan.add_service("a", ServiceConfig(
    image="x", ports={"http": PortSpec(80)}, public_ports={"http": PortSpec(8080)},
    files={"/conf": "conf", "/data": Directory(persistent_key="data", size=5), "/both": Directory(artifact_names=["conf", "conf"])},
    entrypoint=["e"], cmd=["c"], env_vars={"K": "v"}, private_ip_address_placeholder="IP", max_cpu=1000, min_cpu=1, max_memory=512, min_memory=6,
    ready_conditions=ReadyCondition(ExecRecipe(["true"]), "code", "==", 0), labels={"team": "shop"}, user=User(uid=1, gid=2),
    tolerations=[Toleration(key="k", operator="Equal", value="v", effect="NoExecute", toleration_seconds=3)], node_selectors={"disk": "ssd"},
    files_to_be_moved={"/a": "/b"}, tini_enabled=False, tty_enabled=True, devices=["/dev/fuse"], publish_udp=True, capabilities=["NET_ADMIN"],
    gpu=GpuConfig(count=-1, shm_size=64, ulimits={"memlock": -1}, driver="amd"), description="ignored"))`,
			`upload_files {"Artifact":"conf","Source":"./kurtosis.yml","Tree":"12775aa210632623aca2cbb31a7682d335d0a0f5b85d92a84d8ded4cde21eee2"}
add_service {"Services":[{"Capabilities":["NET_ADMIN"],"Cmd":["c"],"Devices":["/dev/fuse"],"Entrypoint":["e"],"Env":{"K":"v"},` +
				`"Files":{"/both":{"Artifacts":["conf","conf"]},"/conf":{"Artifacts":["conf"]},"/data":{"PersistentKey":"data","SizeMB":5}},"FilesToBeMoved":{"/a":"/b"},` +
				`"GPU":{"Count":-1,"DockerDriver":"amd","KubernetesDriver":"amd.com/gpu","SharedMemoryMB":64,"Ulimits":{"memlock":-1}},"IPPlaceholder":"IP","Image":{"Name":"x"},` +
				`"Labels":{"team":"shop"},"MaxCPU":1000,"MaxMemory":512,"MinCPU":1,"MinMemory":6,"Name":"a","NoInit":true,"NodeSelectors":{"disk":"ssd"},` +
				`"Ports":{"http":{"Number":80,"Transport":"TCP","Wait":120000000000}},"PublicPorts":{"http":{"Number":8080,"Transport":"TCP","Wait":120000000000}},"PublishUDP":true,` +
				`"Ready":{"Condition":{"Assertion":"==","Field":"code","Interval":1000000000,"Timeout":900000000000},"Recipe":{"Command":["true"]}},"TTY":true,` +
				`"Tolerations":[{"Effect":"NoExecute","Key":"k","Operator":"Equal","Seconds":3,"Value":"v"}],"User":{"GID":2,"UID":1}}]}`,
		},
		{
			"None means left out", `plan.add_service("a", ServiceConfig("x", ports=None, cmd=None, max_cpu=None, user=None, gpu=None, ready_conditions=None, description=None))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a"}]}`,
		},
		{
			"empty lists mean left out", `plan.add_service("a", ServiceConfig("x", cmd=[], entrypoint=[], ports={}))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a"}]}`,
		},
		{
			"former names", `plan.add_service("a", ServiceConfig("x", cpu_allocation=5, memory_allocation=7))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"MaxCPU":5,"MaxMemory":7,"Name":"a"}]}`,
		},
		{
			"new names win", `plan.add_service("a", ServiceConfig("x", cpu_allocation=5, max_cpu=6))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"MaxCPU":6,"Name":"a"}]}`,
		},
		{"a config that is not used is not looked into", `ServiceConfig("x", ports={"p": 1}, cmd=[1], files={"/a": Directory()})`, ``},
	})
	testRefused(t, []refused{
		{
			name: "a constructor checks its own parameters", body: `ServiceConfig(image=1, ports=[], cmd=("a",), max_memory=5, max_cpu=-1, tini_enabled="yes")`, at: "main.star:2:18",
			want: []string{
				"ServiceConfig: the following", "image: must be a string | ImageSpec | ImageBuildSpec | NixBuildSpec, got int 1", "ports: must be a dict[string, PortSpec], got list",
				"cmd: must be a list[string], got tuple", "max_memory: must be at least 6, got 5", "max_cpu: must be at least 0, got -1", `tini_enabled: must be a bool, got string "yes"`,
			},
		},
		{
			name: "an instruction looks inside", at: "main.star:2:21",
			body: `plan.add_service("a", ServiceConfig("x", cmd=["a", 1], env_vars={"K": 1}, ports={"p": 2, 3: PortSpec(1)}, files={"/a": 4, "/b": Directory(), "/c": Directory(artifact_names=["x"], persistent_key="y")}, tolerations=["t"], devices=[None]))`,
			want: []string{
				"ServiceConfig.cmd[1]: must be a string, got int 1", `ServiceConfig.env_vars["K"]: must be a string, got int 1`, `ServiceConfig.ports["p"]: must be a PortSpec, got int 2`,
				"ServiceConfig.ports: key int 3: must be a string", `ServiceConfig.files["/a"]: must be a string | Directory, got int 4`,
				`ServiceConfig.files["/b"]: exactly one of artifact_names and persistent_key`, `ServiceConfig.files["/c"]: exactly one`, "ServiceConfig.tolerations[0]: must be a Toleration", "ServiceConfig.devices[0]: must be a string, got None",
			},
		},
		{name: "unknown attribute", body: `ServiceConfig("x", env_var={})`, want: []string{`env_var: unknown argument (did you mean "env_vars"?)`}},
		{name: "unset attribute", body: `print_me = ServiceConfig("x").cmd`, want: []string{"ServiceConfig has no .cmd field or method"}},
		{name: "runtime value as image", phase: PhaseValidation, body: "a = plan.add_service('a', ServiceConfig('x'))\nplan.add_service('b', ServiceConfig(a.ip_address + '/x'))", want: []string{"image of service 'b' cannot hold {{a.ip_address}}, which service 'a' at main.star:2:25 makes known only while the environment runs"}},
		{name: "labels", body: `plan.add_service("a", ServiceConfig("x", labels={"Upper": "v", "ok": "has space"}))`, want: []string{`key "Upper"`, `value "has space" of key "ok"`}},
		{name: "reserved labels", body: `plan.add_service("a", ServiceConfig("x", labels={"sundog.dev/owner": "me"}))`, phase: PhaseValidation, want: []string{"label 'sundog.dev/owner' of service 'a' is Sundog's own"}},
		{name: "missing artifact", body: `plan.add_service("a", ServiceConfig("x", files={"/a": "nothing"}))`, phase: PhaseValidation, want: []string{"service 'a' mounts at /a: artifact name 'nothing' does not exist"}},
		{name: "persistent key", body: `plan.add_service("a", ServiceConfig("x", files={"/a": Directory(persistent_key="Bad Key")}))`, phase: PhaseValidation, want: []string{"persistent key 'Bad Key'"}},
		{
			name: "the gate", body: `plan.add_service("a", ServiceConfig("x", privileged=True, host_pid_namespace=True, bind_mounts={"/etc": "/etc"}))`,
			want: []string{"ServiceConfig.privileged: gives the service power over the host", "ServiceConfig.host_pid_namespace", "ServiceConfig.bind_mounts: gives", `"/etc" of the host cannot be mounted`},
		},
		{name: "user", body: `User(uid=-1)`, want: []string{"User: ", "uid: must be between 0 and 4294967295, got -1"}},
		{
			name: "toleration", body: `plan.add_service("a", ServiceConfig("x", tolerations=[Toleration(), Toleration(operator="Exists", value="v")]))`,
			want: []string{"tolerations[0]: needs a key", "tolerations[1].value: must be left out"},
		},
		{name: "toleration's operator", body: `Toleration(operator="exists", effect="x")`, want: []string{`operator: must be one of "Exists", "Equal", got "exists" (did you mean "Exists"?)`, "effect: must be one of"}},
		{name: "driver", body: `plan.add_service("a", ServiceConfig("x", gpu=GpuConfig(driver={"dockr": "x"})))`, want: []string{`gpu.driver: unknown key "dockr" (did you mean "docker"?)`}},
		{name: "not hashable", body: `{ServiceConfig("x"): 1}`, want: []string{"unhashable"}},
	})
}

func TestGateIsOpened(t *testing.T) {
	t.Parallel()
	body := entryOf(`plan.add_service("a", ServiceConfig("x", privileged=True, bind_mounts={"/var/run/docker.sock": "/s"}))`)
	made, err := interpret(t, body, Request{AllowPrivileged: true})
	if err != nil {
		t.Fatal(err)
	}
	if spec := made.Services()["a"]; !spec.Privileged || spec.BindMounts["/var/run/docker.sock"] != "/s" {
		t.Errorf("spec %+v", spec)
	}
	_, err = interpret(t, body, Request{AllowPrivileged: true, Backend: "podman"})
	checkRefused(t, err, refused{want: []string{"works on Docker only, and the backend is podman"}})
}

func TestPortSpec(t *testing.T) {
	t.Parallel()
	testAccepted(t, []accepted{
		{
			"defaults", `plan.add_service("a", ServiceConfig("x", ports={"p": PortSpec(1)}))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a","Ports":{"p":{"Number":1,"Transport":"TCP","Wait":120000000000}}}]}`,
		},
		{
			"positional order", `plan.add_service("a", ServiceConfig("x", ports={"p": PortSpec(1, "SCTP", "h+t.p-1", None, "u")}))`,
			configPrefix + `"IPPlaceholder":"KURTOSIS_IP_ADDR_PLACEHOLDER","Image":{"Name":"x"},"Name":"a","Ports":{"p":{"Application":"h+t.p-1","Number":1,"Transport":"SCTP","URL":"u"}}}]}`,
		},
	})
	testRefused(t, []refused{
		{name: "numbers", body: `PortSpec(number=0)`, want: []string{"number: must be between 1 and 65535, got 0"}},
		{name: "large number", body: `PortSpec(number=65536)`, want: []string{"got 65536"}},
		{name: "huge number", body: `PortSpec(number=123456789012345678901234567890)`, want: []string{"number: must be between"}},
		{name: "no number", body: `PortSpec(number="80")`, want: []string{`number: must be an int, got string "80"`}},
		{name: "lower case", body: `PortSpec(1, transport_protocol="tcp")`, want: []string{`must be one of "TCP", "UDP", "SCTP", got "tcp" (did you mean "TCP"?)`}},
		{name: "empty transport", body: `PortSpec(1, transport_protocol="")`, want: []string{"transport_protocol: must be one of"}},
		{name: "application", body: `PortSpec(1, application_protocol="a b")`, want: []string{"application_protocol: must match"}},
		{name: "empty wait", body: `PortSpec(1, wait="")`, want: []string{`wait: "" is no duration: write it like`}},
		{name: "negative wait", body: `PortSpec(1, wait="-1s")`, want: []string{"is no duration"}},
		{name: "empty url", body: `PortSpec(1, url="")`, want: []string{"url: can't be empty"}},
		{name: "ids", body: `plan.add_service("a", ServiceConfig("x", ports={"sixteen-letters-": PortSpec(1)}))`, phase: PhaseValidation, want: []string{"port id 'sixteen-letters-'"}},
	})
}

func TestImages(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"main.star": `
lib = import_module("./lib/lib.star")
def run(plan):
    plan.add_service("a", ServiceConfig(ImageSpec(image="private/x", registry="r", username="u", password="hunter2")))
    plan.add_service("b", ServiceConfig(ImageBuildSpec(image_name="built", build_context_dir="./ctx", build_args={"A": "1"}, target_stage="s")))
    plan.add_service("c", ServiceConfig(ImageBuildSpec(image_name="inner", build_context_dir="./ctx", build_file="docker/Other")))
    plan.add_service("d", ServiceConfig(lib.spec))
    plan.add_service("e", ServiceConfig(NixBuildSpec(image_name="nix", build_context_dir="./ctx", flake_location_dir=".")))
`,
		"lib/lib.star":          `spec = ImageBuildSpec("lib", "./beside")`,
		"lib/beside/Dockerfile": "FROM scratch\n",
		"ctx/Dockerfile":        "FROM scratch\n", "ctx/src/x": "x", "ctx/docker/Other": "FROM scratch\n",
		// What is ignored is no part of the plan.
		"lib/beside/.dockerignore": "*\n", "lib/beside/ignored": "x",
	}
	made, err := Interpret(t.Context(), testPackage(t, files), Request{})
	if err != nil {
		t.Fatal(err)
	}
	services := made.Services()
	if a := services["a"].Image; a.Name != "private/x" || a.Registry == nil || a.Registry.Password != "hunter2" || a.Build != nil {
		t.Errorf("a: %+v", a)
	}
	for name, want := range map[string]struct {
		image, file string
		paths       []string
	}{
		"b": {"built", "Dockerfile", []string{"Dockerfile", "docker/Other", "src/x"}}, "c": {"inner", "Other", []string{"Other"}}, "d": {"lib", "Dockerfile", []string{".dockerignore", "Dockerfile"}},
	} {
		image := services[name].Image
		if image.Build == nil {
			t.Errorf("%s is not built: %+v", name, image)
			continue
		}
		var paths []string
		for _, file := range image.Build.Context.Files {
			paths = append(paths, file.Path)
		}
		if image.Name != want.image || image.Build.BuildFile != want.file || len(paths) != len(want.paths) || paths[0] != want.paths[0] {
			t.Errorf("%s: %s, %s, %v; want %+v", name, image.Name, image.Build.BuildFile, paths, want)
		}
	}
	if b := services["b"].Image.Build; b.TargetStage != "s" || b.Args["A"] != "1" {
		t.Errorf("b: %+v", b)
	}
	if len(made.Warnings) != 1 || services["e"].Image.Name != "nix" {
		t.Errorf("nix: %+v, %+v", services["e"].Image, made.Warnings)
	}
	// A registry's password is never shown.
	config, _ := made.Instructions[0].Arguments["config"].(map[string]any)
	image, _ := config["image"].(map[string]any)
	if image["password"] != "(hidden)" || image["username"] != "u" {
		t.Errorf("shown arguments: %v", image)
	}
	testRefused(t, []refused{
		{name: "no folder", body: `plan.add_service("a", ServiceConfig(ImageBuildSpec("x", "./nothing")))`, at: "main.star:2:21", want: []string{"ServiceConfig.image.build_context_dir: not found"}},
		{name: "no build file", body: `plan.add_service("a", ServiceConfig(ImageBuildSpec("x", "./")))`, want: []string{`ServiceConfig.image.build_file: the folder . holds no "Dockerfile"`}},
		{name: "a file", body: `plan.add_service("a", ServiceConfig(ImageBuildSpec("x", "./main.star")))`, want: []string{"is not a folder"}},
		{name: "outside", body: `plan.add_service("a", ServiceConfig(ImageBuildSpec("x", "../..")))`, want: []string{"path leaves the repository"}},
		{name: "absolute build file", body: `plan.add_service("a", ServiceConfig(ImageBuildSpec("x", "./", "/etc/passwd")))`, want: []string{"must be relative to build_context_dir"}},
		{name: "half of the credentials", body: `plan.add_service("a", ServiceConfig(ImageSpec("x", username="u")))`, want: []string{"goes together with password"}},
	})
}

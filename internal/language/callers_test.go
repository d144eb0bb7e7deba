package language

import (
	"fmt"
	"testing"
)

func TestInstructionsKnowTheCallsThatLedToThem(t *testing.T) {
	t.Parallel()
	made, err := Interpret(t.Context(), testPackage(t, map[string]string{
		"main.star": "lib = import_module(\"./lib.star\")\n\ndef add(plan):\n    lib.say(plan)\n\ndef run(plan):\n    plan.print(\"direct\")\n    add(plan)\n",
		"lib.star":  "def say(plan):\n    plan.print(\"far\")\n",
	}), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if callers := made.Instructions[0].Callers; len(callers) != 0 {
		t.Errorf("one that stands in the entry function has none: %v", callers)
	}
	far := made.Instructions[1]
	if text := fmt.Sprint(far.Callers, far.Position); text != "[{main.star:8:8 run} {main.star:4:12 add}] lib.star:2:15" {
		t.Errorf("got %s", text)
	}
}

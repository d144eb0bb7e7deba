package plan

import (
	"reflect"
	"testing"
)

// Two instructions that do the same are equal without their places, and taking the place away leaves the plan alone.
func TestWithoutPlace(t *testing.T) {
	for _, pair := range [][2]Imperative{
		{&Exec{ID: "web#1:exec", Service: "web", Rerun: RerunOnce}, &Exec{ID: "web#2:exec", Service: "web", Rerun: RerunOnce}},
		{&Request{ID: "web#1:request", Service: "web"}, &Request{ID: "web#2:request", Service: "web"}},
		{&Wait{ID: "web#1:wait", Service: "web", Rerun: RerunAlways}, &Wait{ID: "web#2:wait", Service: "web", Rerun: RerunAlways}},
		{&StoreServiceFiles{ID: "web#1:store", Source: "/a"}, &StoreServiceFiles{ID: "web#2:store", Source: "/a"}},
		{&RunTask{ID: "task#1", Name: "task", Script: "true"}, &RunTask{ID: "task#2", Name: "task", Script: "true"}},
	} {
		one, other := pair[0], pair[1]
		id := one.StepID()
		if !reflect.DeepEqual(one.WithoutPlace(), other.WithoutPlace()) || reflect.TypeOf(one.WithoutPlace()) != reflect.TypeOf(one) {
			t.Errorf("%T: got %+v and %+v", one, one.WithoutPlace(), other.WithoutPlace())
		}
		if id == "" || one.StepID() != id || RerunOf(one) != RerunOf(one.WithoutPlace()) {
			t.Errorf("%T: the original has changed, or more than its place is gone: %+v", one, one)
		}
	}
}

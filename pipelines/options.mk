# Further options of the stages, as in
#
#   make SET='--set train.epochs=30'
#   make SET="--set 'preprocess.select={mass: [65, 95]}'"
#
# An including Makefile sets WORK. What the options may change hangs on $(WORK)/set, which is written
# anew when they are others; CHANGEABLE is what is in it, if that is more than SET.

SET ?=
CHANGEABLE ?= $(SET)
# Through the environment, for there may be quotes in it.
export OPTIONS_NOW = $(CHANGEABLE)

.PHONY: FORCE

$(WORK)/set: FORCE
	@mkdir -p $(@D); printf '%s\n' "$$OPTIONS_NOW" | cmp -s - $@ || printf '%s\n' "$$OPTIONS_NOW" > $@

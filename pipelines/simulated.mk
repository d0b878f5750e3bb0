# Simulated images to the report: what the Makefile of a pipeline beyond jets includes.
#
#   make report                  simulate, preprocess, train, evaluate: a small sample, for a look
#   make report SCALE=medium     the sample of the committed result; SCALE=full a larger one
#   make clean
#
# Further options of the stages: see options.mk.
#
# An including Makefile sets: SIMULATION, the definition of the images; SEED; N_small, N_medium and
# N_full, events; SET_small, what of the study is smaller with a small sample; FORMAT, the suffix of
# the file of events if it is not h5.

DETCNN ?= detcnn
SCALE ?= small
WORK := work/$(SCALE)
FORMAT ?= h5
EVENTS := $(WORK)/events.$(FORMAT)

ifeq ($(N_$(SCALE)),)
$(error SCALE=$(SCALE): expected small, medium or full)
endif

SETTINGS := $(SET_$(SCALE)) $(SET)

.PHONY: events images model report clean
.DEFAULT_GOAL := report
.DELETE_ON_ERROR:

events: $(EVENTS)
images: $(WORK)/images/manifest.json
model: $(WORK)/model/manifest.json

$(EVENTS):
	@mkdir -p $(@D)
	$(DETCNN) simulate $(SIMULATION) --output $@ --events $(N_$(SCALE)) --seed $(SEED)

CHANGEABLE = $(SETTINGS)
include ../options.mk

# A change of study.yaml runs every stage, but with --update each looks at its own section and its
# inputs, and leaves what it would only make again.
$(WORK)/images/manifest.json: study.yaml $(WORK)/set $(EVENTS)
	$(DETCNN) preprocess study.yaml --work $(WORK) --input $(EVENTS) --update $(SETTINGS)
	@touch $@

$(WORK)/model/manifest.json: study.yaml $(WORK)/set $(WORK)/images/manifest.json
	$(DETCNN) train study.yaml --work $(WORK) --resume --update $(SETTINGS)
	@touch $@

# Always asked, so that the table is printed; it costs little where nothing has changed.
report: $(WORK)/model/manifest.json
	$(DETCNN) evaluate study.yaml --work $(WORK) --update $(SETTINGS)

clean:
	rm -rf $(WORK)

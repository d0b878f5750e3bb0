# Simulated jets to the report: what the Makefile of a tagging pipeline includes.
#
#   make report                  the network of study.yaml, on the jets in sample_data/
#   make compare                 those of the other study files as well, compared with it
#   make seeds                   the network of study.yaml trained again with each of SEEDS: how
#                                much of its result is the luck of one training
#   make report SCALE=medium     on simulated jets (needs detcnn[simulate]); SCALE=full on more
#   make validate SCALE=medium   whether the simulated jets are what they should be
#   make clean
#
# Further options of the stages: see options.mk.
#
# An including Makefile sets: SIMULATION, the definition of the jets; SEED; SAMPLE, the small file;
# N_medium and N_full, jets per class; RIVALS, the study files beside study.yaml without their ending.

DETCNN ?= detcnn
SCALE ?= small
WORK := work/$(SCALE)

N_small := 0
ifeq ($(N_$(SCALE)),)
$(error SCALE=$(SCALE): expected small, medium or full)
endif
ifeq ($(SCALE),small)
JETS := $(SAMPLE)
else
JETS := $(WORK)/jets.h5
endif

# Of further trainings of study.yaml, which has its own.
SEEDS ?= 2 3 4 5

.PHONY: jets validate images model report compare seeds clean
.DEFAULT_GOAL := report
.DELETE_ON_ERROR:

jets: $(JETS)
images: $(WORK)/images/manifest.json
model: $(WORK)/model/manifest.json

$(WORK)/jets.h5:
	@mkdir -p $(@D)
	$(DETCNN) simulate $(SIMULATION) --output $@ --jets-per-class $(N_$(SCALE)) --seed $(SEED)

validate: $(JETS)
	$(DETCNN) validate $(JETS) --output $(WORK)/validation --overwrite

include ../options.mk

# A change of study.yaml runs every stage, but with --update each looks at its own section and its
# inputs, and leaves what it would only make again.
$(WORK)/images/manifest.json: study.yaml $(WORK)/set $(JETS)
	$(DETCNN) preprocess study.yaml --work $(WORK) --input $(JETS) --update $(SET)
	@touch $@

$(WORK)/model/manifest.json: study.yaml $(WORK)/set $(WORK)/images/manifest.json
	$(DETCNN) train study.yaml --work $(WORK) --resume --update $(SET)
	@touch $@

# Always asked, so that the table is printed; it costs little where nothing has changed.
report: $(WORK)/model/manifest.json
	$(DETCNN) evaluate study.yaml --work $(WORK) --update $(SET)

# The rivals have images of their own, of the same jets.
$(RIVALS:%=$(WORK)/%/images/manifest.json): $(WORK)/%/images/manifest.json: \
		%.yaml $(WORK)/set $(JETS)
	$(DETCNN) preprocess $< --work $(WORK)/$* --input $(JETS) --update $(SET)
	@touch $@

$(RIVALS:%=$(WORK)/%/model/manifest.json): $(WORK)/%/model/manifest.json: \
		%.yaml $(WORK)/set $(WORK)/%/images/manifest.json
	$(DETCNN) train $< --work $(WORK)/$* --resume --update $(SET)
	@touch $@

$(RIVALS:%=rival-%): rival-%: $(WORK)/%/model/manifest.json
	$(DETCNN) evaluate $*.yaml --work $(WORK)/$* --update $(SET)

compare: report $(RIVALS:%=rival-%)
	$(DETCNN) compare $(WORK) $(RIVALS:%=$(WORK)/%) --label study $(RIVALS:%=--label %) \
	  $(addprefix --published ,$(wildcard published.csv)) --output $(WORK)/comparison --update

# They see the images of study.yaml, and stand beside its training under one label: mean ± spread.
$(SEEDS:%=$(WORK)/seed-%/model/manifest.json): $(WORK)/seed-%/model/manifest.json: \
		study.yaml $(WORK)/set $(WORK)/images/manifest.json
	$(DETCNN) train study.yaml --work $(WORK)/seed-$* --images $(WORK)/images \
	  --resume --update $(SET) --set train.seed=$*
	@touch $@

$(SEEDS:%=scores-%): scores-%: $(WORK)/seed-%/model/manifest.json
	$(DETCNN) predict study.yaml --work $(WORK)/seed-$* --images $(WORK)/images \
	  --update $(SET) --set evaluate.occlusion=null

seeds: report $(SEEDS:%=scores-%)
	$(DETCNN) compare $(WORK) $(SEEDS:%=$(WORK)/seed-%) --label study $(SEEDS:%=--label study) \
	  --output $(WORK)/seeds --update

clean:
	rm -rf $(WORK)

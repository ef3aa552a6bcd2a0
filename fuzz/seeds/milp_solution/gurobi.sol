# Objective value = 23.5
start_0 0
start_1 2
start_2 0
hold_0_2 1
hold_1_2 1
hold_2_1 1
flow_source_0 23.5
switch_0_1 1

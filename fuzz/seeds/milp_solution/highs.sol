Model status
Optimal

# Primal solution values
Feasible
Objective 23.5
# Columns 4
start_0 0
start_1 2
start_2 0
switch_0_1 1
switch_1_sink 1
# Rows 1
one_0 1

"""SpiffWorkflow: load an instance, run one human task, serialise the instance into its row, add a line, commit."""

import io
import sys
from itertools import count, pairwise

from lxml import etree
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.util.task import TaskState

from tests.bench.driven import Act, Order, drive, settle
from tests.bench.peers.rows import Rows

INSTANCES = 64
TASKS = 5


def process() -> bytes:
    """Give a process of five human tasks in a row."""
    names = ["start", *(f"task{number}" for number in range(TASKS)), "end"]
    flows = "".join(
        f'<sequenceFlow id="flow{number}" sourceRef="{one}" targetRef="{other}"/>'
        for number, (one, other) in enumerate(pairwise(names))
    )
    tasks = "".join(f'<manualTask id="{one}" name="{one}"/>' for one in names[1:-1])
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="care" id="all">'
        f'<process id="care" isExecutable="true"><startEvent id="start"/>{tasks}<endEvent id="end"/>{flows}'
        "</process></definitions>"
    ).encode()


def fresh(serializer: BpmnWorkflowSerializer) -> str:
    """Give a new instance, at its first human task, as it is kept."""
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.parse(io.BytesIO(process())))
    workflow = BpmnWorkflow(parser.get_spec("care"), parser.get_subprocess_specs("care"))
    workflow.do_engine_steps()
    return str(serializer.serialize_json(workflow))


def main(address: str) -> None:
    """Follow orders."""
    settle()
    serializer = BpmnWorkflowSerializer()
    new = fresh(serializer)
    Rows(address).begin_with(dict.fromkeys(range(INSTANCES), new))
    connections: list[Rows] = []

    def prepare(order: Order) -> list[Act]:
        while len(connections) < order["threads"]:
            connections.append(Rows(address))
        return [one_of(connections[caller], caller) for caller in range(order["threads"])]

    def one_of(rows: Rows, first: int) -> Act:
        turns = count(first)

        def act() -> None:
            number = next(turns) * 17 % INSTANCES
            workflow = serializer.deserialize_json(rows.load(number))
            task = workflow.get_next_task(state=TaskState.READY, manual=True)
            task.run()
            workflow.do_engine_steps()
            # An instance that is done begins anew, so that none grows longer than five tasks.
            rows.keep(number, new if workflow.completed else serializer.serialize_json(workflow), task.task_spec.name)

        return act

    drive(prepare)


if __name__ == "__main__":
    main(sys.argv[1])

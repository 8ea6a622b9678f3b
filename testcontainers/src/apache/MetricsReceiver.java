import java.io.FileWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.telemetry.ClientTelemetry;
import org.apache.kafka.server.telemetry.ClientTelemetryPayload;
import org.apache.kafka.server.telemetry.ClientTelemetryReceiver;
import org.apache.kafka.shaded.io.opentelemetry.proto.common.v1.KeyValue;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.Metric;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.MetricsData;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.NumberDataPoint;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ResourceMetrics;
import org.apache.kafka.shaded.io.opentelemetry.proto.metrics.v1.ScopeMetrics;

/** A broker's receiver of clients' metrics (KIP-714): a line of a file for each push, and for each metric in it. */
public class MetricsReceiver implements MetricsReporter, ClientTelemetry, ClientTelemetryReceiver {
    private String file;

    @Override
    public void configure(Map<String, ?> configs) {
        file = (String) configs.get("kavka.metrics.file");
    }

    @Override
    public ClientTelemetryReceiver clientReceiver() {
        return this;
    }

    @Override
    public synchronized void exportMetrics(AuthorizableRequestContext context, ClientTelemetryPayload payload) {
        StringBuilder lines = new StringBuilder();
        String instance = payload.clientInstanceId().toString();
        lines.append("push\t").append(instance).append('\t').append(context.clientId()).append('\t')
            .append(payload.isTerminating() ? "terminating" : "running").append('\n');
        try (FileWriter writer = new FileWriter(file, true)) {
            for (ResourceMetrics resource : MetricsData.parseFrom(payload.data()).getResourceMetricsList()) {
                String labels = text(resource.getResource().getAttributesList());
                for (ScopeMetrics scope : resource.getScopeMetricsList()) {
                    for (Metric metric : scope.getMetricsList()) {
                        describe(lines.append("metric\t").append(instance).append('\t').append(labels).append('\t'), metric);
                    }
                }
            }
            writer.write(lines.toString());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void describe(StringBuilder to, Metric metric) {
        boolean isSum = metric.hasSum();
        List<NumberDataPoint> points = isSum ? metric.getSum().getDataPointsList() : metric.getGauge().getDataPointsList();
        String kind = isSum ? metric.getSum().getAggregationTemporality() + (metric.getSum().getIsMonotonic() ? "" : "?") : "GAUGE";
        to.append(metric.getName()).append('\t').append(kind);
        for (NumberDataPoint point : points) {
            to.append('\t').append(point.getAsDouble()).append('\t').append(text(point.getAttributesList()))
                .append('\t').append(point.getStartTimeUnixNano()).append('\t').append(point.getTimeUnixNano());
        }
        to.append('\n');
    }

    private static String text(List<KeyValue> attributes) {
        Map<String, String> sorted = new TreeMap<>();
        attributes.forEach(each -> sorted.put(each.getKey(), each.getValue().getStringValue()));
        return sorted.toString();
    }

    @Override
    public void init(List<KafkaMetric> metrics) { }

    @Override
    public void metricChange(KafkaMetric metric) { }

    @Override
    public void metricRemoval(KafkaMetric metric) { }

    @Override
    public void close() { }
}

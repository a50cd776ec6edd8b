import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** Runs the statements of a file, one after the other, in a MiniCluster in this JVM: RunSql FILE.sql [NAME=VALUE ...].
 *  What stands behind the file are settings of the cluster. Says on stdout after how many milliseconds of this JVM the job was running. */
public final class RunSql {
    private static final long POLL_MS = 5;

    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        for (int i = 1; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            settings.setString(pair[0], pair[1]);
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(settings);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        for (String statement : Files.readString(Path.of(args[0])).split(";\\s*\\n")) {
            if (statement.isBlank())
                continue;
            TableResult result = tables.executeSql(statement);
            if (result.getJobClient().isPresent())
                await(result, result.getJobClient().get());
        }
    }

    private static void await(TableResult result, JobClient job) throws Exception {
        JobStatus status = job.getJobStatus().get();
        while (status == JobStatus.INITIALIZING || status == JobStatus.CREATED) {
            Thread.sleep(POLL_MS);
            status = job.getJobStatus().get();
        }
        long began = ProcessHandle.current().info().startInstant().orElseThrow().toEpochMilli();
        System.out.println(System.currentTimeMillis() - began);
        result.await();
    }
}
